//! From files to plans: text in, text out, without a disk.

mod support;

#[path = "plan/skeleton.rs"]
mod skeleton;

use ciao::check::merged;
use ciao::declare::Declarations;
use ciao::finding::Code;
use ciao::plan::build::{self, Inputs, build, files};
use ciao::show::word::Side;
use ciao::{TaskResult, Tasks, show};
use insta::assert_snapshot;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Image {
    dockerfile: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    labels: serde_json::Value,
}

fn tasks() -> Tasks {
    fn build_image(_: Image) -> TaskResult<String> {
        Ok("image".to_owned())
    }
    Tasks::new().add("build-image", "builds the image", build_image)
}

enum Form {
    Value,
    Skeleton,
    Json,
}

/// What is no matter of making a plan is tested in tests/findings.
const ELSEWHERE: [Code; 11] = [
    Code::EnvironmentName,
    Code::FirstRunIn,
    Code::ForgottenFile,
    Code::ForgottenPipeline,
    Code::HardCodedValue,
    Code::LocalLedger,
    Code::NoVerification,
    Code::SameValue,
    Code::UnguardedRetry,
    Code::UnsetVariable,
    Code::UnusedParameter,
];

/// The plan of one environment in one form, then everything that is wrong in the files.
#[track_caller]
fn shown(text: &str, environment: &str, form: &Form) -> String {
    let (sources, tasks) = (support::sources(text), tasks());
    let (declarations, mut findings) = Declarations::read(&sources);
    let files = files(&declarations);
    let inputs = Inputs { declarations: &declarations, tasks: &tasks, sources: &sources };
    let mut plans = Vec::new();
    for name in declarations.environments() {
        let (built, found) = build(inputs, name, &files);
        findings.extend(found);
        plans.extend(built.map(|built| (name.to_owned(), built)));
    }
    findings.extend(support::check(&declarations, &sources, &plans));
    let mut findings = merged(findings, &declarations);
    findings.retain(|finding| !ELSEWHERE.contains(&finding.code));
    let texts = |file: &camino::Utf8Path| sources.text(file.as_str());
    let wrong = show::findings::text(&findings, &texts, false);
    let built = plans.iter().find(|(name, built)| name == environment && !built.cyclic);
    let plan = built.map(|(_, built)| &built.plan);
    let plan = plan.map(|plan| match form {
        Form::Value => show::plan::text(plan, Side::Value, &tasks),
        Form::Skeleton => {
            let skeleton = build::skeleton(inputs, environment, &files).expect("where there is a plan, there is one");
            show::plan::text(&skeleton, Side::Skeleton, &tasks)
        }
        Form::Json => {
            let text = show::json::plan(plan, None).to_string();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{value:#}"), text, "as a program would write it, with its keys sorted");
            text
        }
    });
    format!("{}{wrong}", plan.unwrap_or_else(|| "no plan\n".to_owned())).trim_end().to_owned()
}

#[track_caller]
fn plan(text: &str) -> String {
    shown(text, "dev", &Form::Value)
}

#[track_caller]
fn skeleton(text: &str) -> String {
    shown(text, "dev", &Form::Skeleton)
}

/// `needs` of every step, from the JSON form.
#[track_caller]
fn needs(text: &str) -> String {
    let json = shown(text, "dev", &Form::Json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let line = |step: &serde_json::Value| {
        let needs = step["needs"].as_array().unwrap().iter().map(|need| need.as_str().unwrap());
        format!("{} <- {}\n", step["id"].as_str().unwrap(), needs.collect::<Vec<_>>().join(" "))
    };
    json["steps"].as_array().unwrap().iter().map(line).collect()
}

const SHOP: &str = r#"
-- orchestration.toml --
[[environment]]
name = "dev"
[[environment]]
name = "prod"
-- environment.toml --
[constants]
registry = "registry.example"
[parameters]
regions = { type = "string", list = true }
[parameters.site]
title = { type = "string" }
port = { type = "port" }
[parameters.database]
host = { type = "host" }
password = { type = "string", secret = true }
[env]
LANG = "C.UTF-8"
[[deploy]]
pipeline = "database"
[[deploy]]
pipeline = "web"
for_each = "regions"
with = { region = "${each}" }
-- environments/dev.toml --
regions = ["eu-west", "us-east"]
[site]
title = "The shop's"
port = 8443
[database]
host = "db.dev.example"
password = { env = "DB_PASSWORD" }
-- environments/prod.toml --
regions = ["eu-west"]
[site]
title = "Shop"
port = 443
[database]
host = "db.example"
password = { env = "DB_PASSWORD" }
-- deployments/database/pipeline.toml --
cwd = "../../../db"
env = { PGHOST = "${database.host}" }
[[step]]
name = "create-schema"
script = "create-schema.sh"
env = { PGPASSWORD = "${database.password}" }
provides = ["schema"]
[[step]]
name = "load-data"
run = ["psql", "--file", "data.sql"]
requires = ["schema"]
unless = ["./is-loaded.sh"]
timeout = "2m"
retries = { attempts = 3, delay = "5s", backoff = 2.0 }
-- deployments/web/pipeline.toml --
[parameters]
region = { type = "string" }
[[step]]
name = "build-image"
task = "build-image"
with = { dockerfile = "Dockerfile", port = "${site.port}", tags = "${regions}" }
output = "image"
[[step]]
name = "install"
run = "install --region ${region} --image ${image} --title ${site.title} ${registry}"
finally = { run = ["cleanup", "${region}"] }
[[step]]
name = "smoke-test"
run = ["curl", "--fail", "http://${database.host}:${site.port}/health"]
verify = true
"#;

#[test]
fn the_plan_of_a_shop() {
    assert_snapshot!(plan(SHOP), @r#"
    dev
      # for every step: LANG=C.UTF-8
      database   # env PGHOST=db.dev.example
        create-schema       PGPASSWORD="$DATABASE_PASSWORD" pipelines/deployments/database/create-schema.sh   # in db, provides schema
        load-data           psql --file data.sql   # in db, requires schema, unless ./is-loaded.sh, 3 attempts, timeout 2m
      web[eu-west]
        build-image         task build-image '{"dockerfile":"Dockerfile","port":8443,"tags":["eu-west","us-east"]}'   # output image, builds the image
        install             install --region eu-west --image "${image}" --title 'The shop'\''s' registry.example   # finally cleanup eu-west
        smoke-test          curl --fail http://db.dev.example:8443/health   # verify
      web[us-east]
        build-image         task build-image '{"dockerfile":"Dockerfile","port":8443,"tags":["eu-west","us-east"]}'   # output image, builds the image
        install             install --region us-east --image "${image}" --title 'The shop'\''s' registry.example   # finally cleanup us-east
        smoke-test          curl --fail http://db.dev.example:8443/health   # verify
    "#);
}

#[test]
fn the_skeleton_has_names_and_no_values() {
    assert_snapshot!(skeleton(SHOP), @r#"
    dev
      # for every step: LANG=C.UTF-8
      database   # env PGHOST=${database.host}
        create-schema       PGPASSWORD=${database.password} pipelines/deployments/database/create-schema.sh   # in db, provides schema
        load-data           psql --file data.sql   # in db, requires schema, unless ./is-loaded.sh, 3 attempts, timeout 2m
      web[${each}]   # for_each regions
        build-image         task build-image '{"dockerfile":"Dockerfile","port":"${site.port}","tags":"${regions}"}'   # output image, builds the image
        install             install --region ${region} --image ${image} --title ${site.title} ${registry}   # finally cleanup ${region}
        smoke-test          curl --fail http://${database.host}:${site.port}/health   # verify
    "#);
}

#[test]
fn the_plan_as_json() {
    let json = shown(SHOP, "prod", &Form::Json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_snapshot!(format!("{:#}", json["steps"][0]), @r#"
    {
      "command": [
        "pipelines/deployments/database/create-schema.sh"
      ],
      "cwd": "db",
      "detach": false,
      "each": null,
      "env": {
        "LANG": "C.UTF-8",
        "PGHOST": "db.example",
        "PGPASSWORD": "<secret database.password>"
      },
      "file": "pipelines/deployments/database/pipeline.toml",
      "finally": null,
      "id": "database/create-schema",
      "kind": "script",
      "line": 3,
      "needs": [],
      "output": null,
      "parameters": [
        "database.host",
        "database.password"
      ],
      "pipeline": "database",
      "provides": [
        "schema"
      ],
      "requires": [],
      "retries": null,
      "runs": true,
      "secrets": [
        "database.password"
      ],
      "skeleton": [
        "pipelines/deployments/database/create-schema.sh"
      ],
      "stdin": null,
      "step": "create-schema",
      "timeout_s": 3600,
      "unless": null,
      "verify": false,
      "when": null,
      "with": null
    }
    "#);
    assert_snapshot!(format!("{:#}", json["steps"][2]), @r#"
    {
      "command": [
        "build-image"
      ],
      "cwd": "pipelines/deployments/web",
      "detach": false,
      "each": "eu-west",
      "env": {
        "LANG": "C.UTF-8"
      },
      "file": "pipelines/deployments/web/pipeline.toml",
      "finally": null,
      "id": "web[eu-west]/build-image",
      "kind": "task",
      "line": 3,
      "needs": [
        "database/load-data"
      ],
      "output": "image",
      "parameters": [
        "regions",
        "site.port"
      ],
      "pipeline": "web",
      "provides": [],
      "requires": [],
      "retries": null,
      "runs": true,
      "secrets": [],
      "skeleton": [
        "build-image"
      ],
      "stdin": null,
      "step": "build-image",
      "timeout_s": 3600,
      "unless": null,
      "verify": false,
      "when": null,
      "with": {
        "dockerfile": "Dockerfile",
        "port": 443,
        "tags": [
          "eu-west"
        ]
      }
    }
    "#);
    assert_eq!(json["digest"].as_str().unwrap().len(), 64);
}

#[test]
fn a_changed_value_changes_the_digest_and_not_the_skeleton() {
    let changed = SHOP.replace("8443", "9443");
    assert_eq!(skeleton(SHOP), skeleton(&changed));
    let digest = |text: &str| {
        let json: serde_json::Value = serde_json::from_str(&shown(text, "dev", &Form::Json)).unwrap();
        json["digest"].clone()
    };
    assert_ne!(digest(SHOP), digest(&changed));
    assert_eq!(digest(SHOP), digest(&SHOP.replace("port = 443", "port = 444")), "another environment's value");
}

#[test]
fn parameters_of_every_type() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[parameters]
string = { type = "string" }
integer = { type = "integer" }
boolean = { type = "boolean" }
port = { type = "port" }
host = { type = "host" }
url = { type = "url" }
path = { type = "path" }
table = { type = "table" }
hosts = { type = "host", list = true }
given = { type = "string", default = "by default" }
nothing = { type = "string", may_be_empty = true }
none = { type = "string", list = true, may_be_empty = true }
servers = { type = "table", list = true, key = "name", fields = { name = { type = "string" }, port = { type = "port", default = 22 } } }
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
string = "s"
integer = -7
boolean = true
port = 65535
host = "2001:db8::1"
url = "https://example.org/x?y=z"
path = "/srv/www data"
table = { a = 1, b = ["x", { c = 1.5 }] }
hosts = ["a.example", "b.example"]
nothing = ""
none = []
servers = [{ name = "one" }, { name = "two", port = 2222 }]
-- deployments/a/pipeline.toml --
[[step]]
name = "all"
run = ["show", "${string}", "${integer}", "${boolean}", "${port}", "${host}", "${url}", "${path}", "${table}", "${given}", "[${nothing}]", "${none...}", "${hosts...}", "end"]
[[step]]
name = "each"
for_each = "servers"
run = ["ssh", "-p", "${each.port}", "${each.name}"]
"#), @r#"
    dev
      a
        all                 show s -7 true 65535 2001:db8::1 'https://example.org/x?y=z' '/srv/www data' '{"a":1,"b":["x",{"c":1.5}]}' 'by default' '[]' a.example b.example end
        each[one]           ssh -p 22 one
        each[two]           ssh -p 2222 two
    "#);
}

#[test]
fn values_that_their_declaration_refuses() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[parameters]
short = { type = "string", max = 3 }
colour = { type = "string", choices = ["red", "green"] }
count = { type = "integer", min = 1, max = 9 }
port = { type = "port" }
host = { type = "host" }
url = { type = "url" }
empty = { type = "string" }
list = { type = "string", list = true }
quoted = { type = "integer" }
absent = { type = "string", help = "what is absent" }
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
short = "four"
colour = "gren"
count = 10
port = 0
host = "http://example.org"
url = "example.org"
empty = ""
list = "one"
quoted = "7"
extra = 1
-- deployments/a/pipeline.toml --
[[step]]
name = "a"
run = ["a", "${short}${colour}${count}${port}${host}${url}${empty}${quoted}${absent}", "${list...}"]
"#), @r#"
    dev
      a
        a                   a "${short}${colour}${count}${port}${host}${url}${empty}${quoted}${absent}" "${list...}"
    error[missing-value]: environment `dev` gives no value for `absent`
      --> pipelines/environments/dev.toml:1:1
       |
     1 | short = "four"
       | ^
       |
      ::: pipelines/environment.toml:11:1
       |
    11 | absent = { type = "string", help = "what is absent" }
       | ------ declared here: what is absent
       |
       = help: add it: `absent = …`

    error[bad-value]: `short` has 4 characters
     --> pipelines/environments/dev.toml:1:9
      |
    1 | short = "four"
      |         ^^^^^^
      |
      = help: write at most 3

    error[bad-value]: `colour` is `gren`, which is none of its choices
     --> pipelines/environments/dev.toml:2:10
      |
    2 | colour = "gren"
      |          ^^^^^^
      |
      = help: did you mean `green`? the choices are `red` and `green`

    error[bad-value]: `count` is 10, and must be from 1 to 9
     --> pipelines/environments/dev.toml:3:9
      |
    3 | count = 10
      |         ^^
      |
      = help: write a number from 1 to 9

    error[bad-value]: `port` is 0, and must be from 1 to 65535
     --> pipelines/environments/dev.toml:4:8
      |
    4 | port = 0
      |        ^
      |
      = help: write a number from 1 to 65535

    error[bad-value]: `host` is not a host: it is a URL
     --> pipelines/environments/dev.toml:5:8
      |
    5 | host = "http://example.org"
      |        ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write a name as in "db.example.org", or an address

    error[bad-value]: `url` is not a url: it has no scheme
     --> pipelines/environments/dev.toml:6:7
      |
    6 | url = "example.org"
      |       ^^^^^^^^^^^^^
      |
      = help: write it with its scheme, as in "https://example.org/path"

    error[empty-value]: `empty` is empty
     --> pipelines/environments/dev.toml:7:9
      |
    7 | empty = ""
      |         ^^
      |
      = help: give it a value, or declare it with `may_be_empty = true`

    error[wrong-type]: `list` is a string, not a list
     --> pipelines/environments/dev.toml:8:8
      |
    8 | list = "one"
      |        ^^^^^
      |
      = help: write a list: `[…]`

    error[wrong-type]: `quoted` is a string, not an integer
     --> pipelines/environments/dev.toml:9:10
      |
    9 | quoted = "7"
      |          ^^^
      |
      = help: write it without quotes: 7

    error[unknown-value]: no parameter `extra` is declared
      --> pipelines/environments/dev.toml:10:1
       |
    10 | extra = 1
       | ^^^^^
       |
       = help: the parameters are `absent`, `colour`, `count`, `empty`, `host`, `list`, `port`, `quoted`, `short` and `url`
    "#);
}

#[test]
fn odd_values_stay_one_word_that_can_be_pasted() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[parameters]
odd = { type = "string", list = true }
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
odd = ["two words", "it's", '"', "a\nb\tc", "$(rm -rf /)", "`x`", "*", "-rf", "--", "$HOME", "${x}", "a;b", "é ☃", "\\", "!x", "x # y", "~"]
-- deployments/a/pipeline.toml --
[[step]]
name = "spread"
run = ["show", "${odd...}"]
[[step]]
name = "dollars"
run = ["show", "$$", "$${odd}", "$x", "a$", "$$$$", "$(x)"]
"#), @r#"
    dev
      a
        spread              show 'two words' 'it'\''s' '"' $'a\nb\tc' '$(rm -rf /)' '`x`' '*' -rf -- '$HOME' '${x}' 'a;b' 'é ☃' '\' '!x' 'x # y' '~'
        dollars             show '$' '${odd}' '$x' 'a$' '$$' '$(x)'
    "#);
}

const BESIDE_VALUES: &str = r#"
-- environment.toml --
[parameters]
word = { type = "string", secret = true }
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
word = { env = "WORD" }
-- deployments/a/pipeline.toml --
[[step]]
name = "lines"
run = ["psql"]
stdin = "\nselect 1;\n\tselect '${word}';\n"
[[step]]
name = "history"
run = ["show", "!x", "{a,b}"]
env = { X = "hey!${word}!", Y = "a ${word}" }
"#;

#[test]
fn a_newline_beside_a_variable_is_no_space() {
    let plan = plan(BESIDE_VALUES);
    let line = plan.lines().find(|line| line.contains("lines ")).unwrap();
    assert_snapshot!(line.trim_start(), @r#"lines               psql < <(printf %s $'\n'"select 1;"$'\n\t'"select '${WORD}';"$'\n')"#);
    assert_eq!(
        pasted(line.split_once("< <(printf %s ").unwrap().1.trim_end_matches(')')),
        "\nselect 1;\n\tselect 'it';\n"
    );
}

#[test]
fn a_line_of_the_shell_s_history_is_never_meant() {
    let plan = plan(BESIDE_VALUES);
    let line = plan.lines().find(|line| line.contains("history ")).unwrap();
    assert_snapshot!(line.trim_start(), @r#"history             X="hey"'!'"${WORD}"'!' Y="a ${WORD}" show '!x' '{a,b}'"#);
    let (_, x) = line.split_once("X=").unwrap();
    assert_eq!(pasted(x.split_once(" Y=").unwrap().0), "hey!it!");
}

/// What a word of the plan's text is to bash.
#[track_caller]
fn pasted(word: &str) -> String {
    let command = format!("WORD=it; printf %s {word}");
    let output = std::process::Command::new("bash").args(["-c", &command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_needs_a_step_waits_for_all_above_it() {
    assert_snapshot!(needs(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
[[deploy]]
pipeline = "b"
needs = []
[[deploy]]
pipeline = "a"
name = "last"
-- deployments/a/pipeline.toml --
step = [
  { name = "one", run = ["x"] },
  { name = "two", run = ["x"], needs = [] },
  { name = "three", run = ["x"] },
  { name = "four", run = ["x"], needs = ["one"] },
  { name = "five", run = ["x"], needs = ["one", "three", "two"] },
  { name = "six", run = ["x"] },
]
-- deployments/b/pipeline.toml --
step = [{ name = "only", run = ["x"] }]
"#), @r#"
    a/one <- 
    a/two <- 
    a/three <- a/one a/two
    a/four <- a/one
    a/five <- a/three
    a/six <- a/four a/five
    b/only <- 
    last/one <- a/six b/only
    last/two <- a/six b/only
    last/three <- last/one last/two
    last/four <- last/one
    last/five <- last/three
    last/six <- last/four last/five
    "#);
}

#[test]
fn instances_count_as_one_for_needs() {
    assert_snapshot!(needs(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
for_each = ["x", "y"]
parallel = true
[[deploy]]
pipeline = "b"
-- deployments/a/pipeline.toml --
step = [{ name = "one", run = ["x"] }, { name = "two", run = ["x", "${each}"] }]
-- deployments/b/pipeline.toml --
step = [
  { name = "in-turn", run = ["x"], for_each = [1, 2] },
  { name = "at-once", run = ["x"], for_each = [1, 2], parallel = true },
  { name = "last", run = ["x"] },
]
"#), @r#"
    a[x]/one <- 
    a[x]/two <- a[x]/one
    a[y]/one <- 
    a[y]/two <- a[y]/one
    b/in-turn[1] <- a[x]/two a[y]/two
    b/in-turn[2] <- b/in-turn[1]
    b/at-once[1] <- b/in-turn[2]
    b/at-once[2] <- b/in-turn[2]
    b/last <- b/at-once[1] b/at-once[2]
    "#);
}

/// The skeleton says it as written, however many items there are; the value has each of them, with its type.
#[test]
fn a_list_that_is_spread_in_the_list_of_a_task() {
    let text = r#"
-- environment.toml --
[parameters]
tags = { type = "string", list = true }
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
tags = ["one", "two"]
-- deployments/a/pipeline.toml --
[[step]]
name = "image"
task = "build-image"
with = { dockerfile = "D", tags = ["first", "${tags...}"], labels = ["${tags...}", 1] }
"#;
    assert_snapshot!(plan(text), @r#"
    dev
      a
        image               task build-image '{"dockerfile":"D","labels":["one","two",1],"tags":["first","one","two"]}'   # builds the image
    "#);
    assert_snapshot!(skeleton(text), @r#"
    dev
      a
        image               task build-image '{"dockerfile":"D","labels":["${tags...}",1],"tags":["first","${tags...}"]}'   # builds the image
    "#);
    let found = plan(&text.replace("\"first\", \"${tags...}\"", "\"x${tags...}\""));
    assert!(found.contains("error[wrong-type]: `${tags...}` is several arguments"), "{found}");
}

#[test]
fn a_call_without_items_passes_its_order_on() {
    assert_snapshot!(needs(r#"
-- environment.toml --
[parameters]
items = { type = "string", list = true, default = [], may_be_empty = true }
[[deploy]]
pipeline = "a"
[[deploy]]
pipeline = "a"
name = "none"
for_each = "items"
[[deploy]]
pipeline = "a"
name = "last"
needs = ["none"]
-- deployments/a/pipeline.toml --
step = [{ name = "one", run = ["x"] }]
"#), @r#"
    a/one <- 
    last/one <- a/one
    "#);
}

#[test]
fn what_is_switched_off_stays_in_the_plan() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[constants]
always = true
[parameters]
enabled = { type = "boolean" }
region = { type = "string" }
[[deploy]]
pipeline = "a"
when = "enabled"
[[deploy]]
pipeline = "b"
when = "!enabled"
-- environments/dev.toml --
enabled = false
-- deployments/a/pipeline.toml --
step = [{ name = "one", run = ["x", "${region}"], provides = ["x"] }]
-- deployments/b/pipeline.toml --
step = [{ name = "one", run = ["x"], when = "always" }, { name = "two", run = ["x"], when = "!always", requires = ["x"] }]
"#), @r#"
    dev
      a
        one                 x "${region}"   # off: when enabled, provides x
      b
        one                 x   # when !enabled and always
        two                 x   # off: when !enabled and !always, requires x
    "#);
}

#[test]
fn what_is_switched_off_provides_nothing() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[parameters]
enabled = { type = "boolean" }
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
enabled = false
-- deployments/a/pipeline.toml --
[[step]]
name = "one"
run = ["x"]
when = "enabled"
provides = ["x"]
output = "made"
[[step]]
name = "two"
run = ["x", "${made}"]
requires = ["x"]
"#), @r#"
    dev
      a
        one                 x   # off: when enabled, provides x, output made
        two                 x "${made}"   # requires x
    error[missing-provider]: step `one`, which makes `made`, is switched off
     --> pipelines/deployments/a/pipeline.toml:9:14
      |
    9 | run = ["x", "${made}"]
      |              ^^^^^^^
      |
      = help: switch this step off by the same `when`

    error[missing-provider]: `a/two` requires `x`, which only `a/one` provides, and that is switched off
      --> pipelines/deployments/a/pipeline.toml:10:13
       |
    10 | requires = ["x"]
       |             ^^^
       |
       = help: switch this step off by the same `when`
    "#);
}

#[test]
fn a_requirer_before_its_provider_in_some_permitted_order() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
-- deployments/a/pipeline.toml --
[[step]]
name = "create-schema"
run = ["x"]
provides = ["schema"]
[[step]]
name = "load-data"
run = ["x"]
needs = []
requires = ["schema"]
"#), @r#"
    dev
      a
        create-schema       x   # provides schema
        load-data           x   # needs nothing, requires schema
    error[out-of-order]: `a/load-data` may run before `a/create-schema`, which provides `schema`
     --> pipelines/deployments/a/pipeline.toml:9:13
      |
    9 | requires = ["schema"]
      |             ^^^^^^^^
      |
      = note: a permitted order: a/load-data, a/create-schema
      = help: list `create-schema` before it, or add it to its `needs`
    "#);
}

#[test]
fn outputs_come_from_steps_before() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
[[deploy]]
pipeline = "b"
-- deployments/a/pipeline.toml --
[[step]]
name = "early"
run = ["x", "${late}"]
[[step]]
name = "read"
run = ["terraform", "output", "-json"]
output = { name = "infra", json = true, secret = true }
[[step]]
name = "late"
run = ["x"]
output = "late"
-- deployments/b/pipeline.toml --
[[step]]
name = "use"
run = ["x", "${late}"]
env = { URL = "${infra.api.url}" }
[[step]]
name = "wrong"
run = ["x", "${late.field}", "${infra.api_url}"]
"#), @r#"
    dev
      a
        early               x "${late}"
        read                terraform output -json   # output secret infra
        late                x   # output late
      b
        use                 URL="${infra.api.url}" x "${late}"
        wrong               x "${late.field}" "${infra.api_url}"
    error[out-of-order]: `a/early` may run before `a/late`, which makes `late`
     --> pipelines/deployments/a/pipeline.toml:3:14
      |
    3 | run = ["x", "${late}"]
      |              ^^^^^^^
      |
      = note: a permitted order: a/early, a/read, a/late
      = help: list `late` before it, or add it to its `needs`

    error[unknown-parameter]: `late` is not JSON, so it has no `field`
     --> pipelines/deployments/b/pipeline.toml:7:14
      |
    7 | run = ["x", "${late.field}", "${infra.api_url}"]
      |              ^^^^^^^^^^^^^
      |
      = help: declare it so: `output = { name = "late", json = true }`

    error[secret-in-arguments]: a secret stands in an argument, where anyone on the machine can read it
     --> pipelines/deployments/b/pipeline.toml:7:31
      |
    7 | run = ["x", "${late.field}", "${infra.api_url}"]
      |                               ^^^^^^^^^^^^^^^^
      |
      = help: pass it by `env` or `stdin`
    "#);
}

#[test]
fn an_instance_sees_its_own_output() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
for_each = ["x", "y"]
[[deploy]]
pipeline = "b"
-- deployments/a/pipeline.toml --
step = [{ name = "make", run = ["make"], output = "made" }, { name = "use", run = ["use", "${made}", "${each}"] }]
-- deployments/b/pipeline.toml --
step = [{ name = "use", run = ["use", "${made}"] }]
"#), @r#"
    dev
      a[x]
        make                make   # output made
        use                 use "${made}" x
      a[y]
        make                make   # output made
        use                 use "${made}" y
      b
        use                 use "${made}"
    error[unknown-parameter]: `made` is made in every instance of `make`, and cannot be used outside of it
     --> pipelines/deployments/b/pipeline.toml:1:40
      |
    1 | step = [{ name = "use", run = ["use", "${made}"] }]
      |                                        ^^^^^^^
      |
      = help: use it in the same instance, or make it in a step without `for_each`
    "#);
}

#[test]
fn secrets_stand_in_variables_and_nowhere_else() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[parameters]
password = { type = "string", secret = true }
key = { type = "string", secret = true }
plain = { type = "string", secret = true }
lost = { type = "string", secret = true }
[secrets.vault]
run = ["op", "read", "op://deploy/${key}"]
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
password = { vault = "shop-db" }
key = { file = "secret/key" }
plain = "hunter2"
lost = { vualt = "x" }
-- deployments/a/pipeline.toml --
[[step]]
name = "right"
run = ["x"]
env = { P = "${password}", K = { file = "${key}" }, L = "${lost}" }
stdin = "user:${password}\n"
[[step]]
name = "wrong"
run = ["x", "--password=${password}", "${plain}"]
"#), @r#"
    dev
      a
        right               K=<(printf %s "$KEY") L="${lost}" P="$PASSWORD" x < <(printf %s "user:${PASSWORD}"$'\n')
        wrong               x "--password=${PASSWORD}" "${plain}"
    error[secret-in-arguments]: a secret stands in an argument, where anyone on the machine can read it
     --> pipelines/deployments/a/pipeline.toml:8:25
      |
    8 | run = ["x", "--password=${password}", "${plain}"]
      |                         ^^^^^^^^^^^
      |
      = help: pass it by `env` or `stdin`

    error[plain-secret]: `plain` is a secret, and stands here in plain text
     --> pipelines/environments/dev.toml:3:9
      |
    3 | plain = ***
      |         ^^^
      |
      = help: write where it is read from: `{ env = "NAME" }`, `{ file = "PATH" }` or a declared source; one that was committed is in the history, and has to be changed

    error[unknown-parameter]: `vualt` is not a source of secrets
     --> pipelines/environments/dev.toml:4:10
      |
    4 | lost = { vualt = "x" }
      |          ^^^^^
      |
      = help: did you mean `vault`?
    "#);
}

/// Whole values that a call gives on are what they were: lists make instances, tables have fields, booleans switch.
#[test]
fn an_argument_that_is_one_value_is_a_list_a_table_a_boolean() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[constants]
extra = "c1"
[parameters]
on = { type = "boolean" }
regions = { type = "string", list = true }
hosts = { type = "table", list = true, key = "name", fields = { name = { type = "string" }, host = { type = "host" } } }
[[deploy]]
pipeline = "a"
with = { on = "${on}", regions = "${regions}", more = ["x", "${extra}"], hosts = "${hosts}" }
-- environments/dev.toml --
on = true
regions = ["eu", "us"]
hosts = [{ name = "h1", host = "h1.example" }]
-- deployments/a/pipeline.toml --
[parameters]
on = { type = "boolean" }
regions = { type = "string", list = true }
more = { type = "string", list = true }
hosts = { type = "table", list = true, key = "name", fields = { name = { type = "string" }, host = { type = "host" } } }
[[step]]
name = "one"
for_each = "regions"
run = ["x", "${each}", "${regions...}"]
[[step]]
name = "two"
for_each = "more"
run = ["x", "${each}"]
[[step]]
name = "three"
for_each = "hosts"
run = ["x", "${each.host}"]
when = "on"
[[step]]
name = "four"
run = ["x"]
when = "!on"
"#), @r#"
    dev
      a
        one[eu]             x eu eu us
        one[us]             x us eu us
        two[x]              x x
        two[c1]             x c1
        three[h1]           x h1.example   # when on
        four                x   # off: when !on
    "#);
}

#[test]
fn own_parameters_are_given_by_the_call() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[parameters]
port = { type = "port" }
[[deploy]]
pipeline = "a"
with = { port = "${port}", name = "n-${environment}" }
[[deploy]]
pipeline = "a"
name = "again"
with = { nmae = "x", port = "high" }
-- environments/dev.toml --
port = 80
-- deployments/a/pipeline.toml --
[parameters]
port = { type = "port" }
name = { type = "string", max = 8 }
size = { type = "integer", default = 3 }
[[step]]
name = "one"
run = ["x", "${port}", "${name}", "${size}"]
"#), @r#"
    dev
      a
        one                 x 80 n-dev 3
      again
        one                 x "${port}" "${name}" 3
    error[missing-value]: the call of `a` gives no `name`
     --> pipelines/environment.toml:6:1
      |
    6 | [[deploy]]
      | ^^^^^^^^^^
      |
     ::: pipelines/deployments/a/pipeline.toml:3:1
      |
    3 | name = { type = "string", max = 8 }
      | ---- declared here
      |
      = help: add it: `with = { name = … }`

    error[unknown-parameter]: pipeline `a` declares no parameter `nmae`
     --> pipelines/environment.toml:9:10
      |
    9 | with = { nmae = "x", port = "high" }
      |          ^^^^
      |
      = help: did you mean `name`?

    error[wrong-type]: `port` is a string, not an integer
     --> pipelines/environment.toml:9:29
      |
    9 | with = { nmae = "x", port = "high" }
      |                             ^^^^^^
      |
      = help: it is declared as `type = "port"`
    "#);
}

#[test]
fn built_in_names_stand_as_written() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
-- deployments/a/pipeline.toml --
[[step]]
name = "one"
run = ["x", "${environment}", "${release}", "${commit}", "${repo}/x y", "${work}/out", "${each}"]
cwd = "${work}"
"#), @r#"
    dev
      a
        one                 x dev "${release}" "${commit}" "${repo}/x y" "${work}/out" "${each}"   # in '${work}'
    error[unknown-parameter]: there is no item here
     --> pipelines/deployments/a/pipeline.toml:3:89
      |
    3 | run = ["x", "${environment}", "${release}", "${commit}", "${repo}/x y", "${work}/out", "${each}"]
      |                                                                                         ^^^^^^^
      |
      = help: `${each}` is the item of a `for_each`, `${each.field}` a field of it
    "#);
}

#[test]
fn a_personal_environment_is_like_another_one() {
    let text = r#"
-- orchestration.toml --
[[environment]]
name = "dev"
-- environment.toml --
[parameters]
host = { type = "host" }
port = { type = "port", distinct = true }
[[deploy]]
pipeline = "a"
-- environments/dev.toml --
host = "dev.example"
port = 1
-- environments/personal/ann.toml --
like = "dev"
port = 2
-- environments/personal/bob.toml --
like = "dev"
-- deployments/a/pipeline.toml --
step = [{ name = "one", run = ["x", "${host}:${port}"] }]
"#;
    assert_snapshot!(shown(text, "ann", &Form::Value), @r#"
    ann
      a
        one                 x dev.example:2
    error[missing-value]: environment `bob` gives no value for `port`
     --> pipelines/environments/personal/bob.toml:1:1
      |
    1 | like = "dev"
      | ^
      |
     ::: pipelines/environment.toml:3:1
      |
    3 | port = { type = "port", distinct = true }
      | ---- declared here
      |
      = note: in bob
      = help: add it: `port = …`
    "#);
}

#[test]
fn tasks_are_checked_when_the_files_are_read() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
-- deployments/a/pipeline.toml --
[[step]]
name = "right"
task = "build-image"
with = { dockerfile = "Dockerfile", labels = { a = [1, "${environment}"] } }
[[step]]
name = "misspelt"
task = "bild-image"
[[step]]
name = "wrong"
task = "build-image"
with = { dockerfile = 1 }
[[step]]
name = "unknown"
task = "build-image"
with = { dockerfile = "D", tag = "x" }
"#), @r#"
    dev
      a
        right               task build-image '{"dockerfile":"Dockerfile","labels":{"a":[1,"dev"]}}'   # builds the image
        misspelt            task bild-image
        wrong               task build-image '{"dockerfile":1}'   # builds the image
        unknown             task build-image '{"dockerfile":"D","tag":"x"}'   # builds the image
    error[unknown-task]: no task `bild-image` is registered
     --> pipelines/deployments/a/pipeline.toml:7:8
      |
    7 | task = "bild-image"
      |        ^^^^^^^^^^^^
      |
      = note: build-image: builds the image
      = help: did you mean `build-image`? tasks are registered in xtask/src/tasks.rs

    error[bad-task-arguments]: task `build-image` does not take these arguments: invalid type: integer `1`, expected a string
      --> pipelines/deployments/a/pipeline.toml:11:1
       |
    11 | with = { dockerfile = 1 }
       | ^^^^
       |
       = note: build-image: builds the image
       = help: correct `with`: it gives the fields of the task's arguments, in xtask/src/tasks.rs

    error[bad-task-arguments]: task `build-image` does not take these arguments: unknown field `tag`, expected one of `dockerfile`, `port`, `tags`, `labels`
      --> pipelines/deployments/a/pipeline.toml:15:1
       |
    15 | with = { dockerfile = "D", tag = "x" }
       | ^^^^
       |
       = note: build-image: builds the image
       = help: correct `with`: it gives the fields of the task's arguments, in xtask/src/tasks.rs
    "#);
}

#[test]
fn cycles_show_their_path() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
-- deployments/a/pipeline.toml --
step = [
  { name = "one", run = ["x"], needs = ["three"] },
  { name = "two", run = ["x"] },
  { name = "three", run = ["x"], needs = ["two"] },
]
"#), @r#"
    no plan
    error[cycle]: the steps need each other in a circle
     --> pipelines/deployments/a/pipeline.toml:2:12
      |
    2 |   { name = "one", run = ["x"], needs = ["three"] },
      |            ^^^^^
      |
      = note: each needs the next: one → three → two → one
      = help: remove one of these needs; what has no `needs` needs everything listed above it
    "#);
}

#[test]
fn paths_are_from_the_root_and_stay_in_it() {
    assert_snapshot!(plan(r#"
-- environment.toml --
[[deploy]]
pipeline = "a"
-- deployments/a/pipeline.toml --
[[step]]
name = "beside"
script = "./x.sh"
[[step]]
name = "elsewhere"
script = "../../../db/x.sh"
cwd = "../../.."
[[step]]
name = "outside"
script = "../../../../x.sh"
[[step]]
name = "absolute"
script = "/bin/true"
"#), @r#"
    dev
      a
        beside              pipelines/deployments/a/x.sh
        elsewhere           db/x.sh   # in .
        outside             ../../../../x.sh
        absolute            ''
    error[missing-script]: `../../../../x.sh` leads out of the repository
      --> pipelines/deployments/a/pipeline.toml:10:10
       |
    10 | script = "../../../../x.sh"
       |          ^^^^^^^^^^^^^^^^^^
       |
       = help: name something inside the repository

    error[missing-script]: `/bin/true` is not a file of the repository
      --> pipelines/deployments/a/pipeline.toml:13:10
       |
    13 | script = "/bin/true"
       |          ^^^^^^^^^^^
       |
       = help: name it from the folder of this file; a program of the machine is run with `run`
    "#);
}
