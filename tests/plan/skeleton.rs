//! `plan --skeleton` and the snapshots of the step order: no value changes them.

use insta::assert_snapshot;

use super::{plan, skeleton};

/// Everything in which a value decides what is in a plan.
const FILES: &str = r#"
-- environment.toml --
[constants]
zones = ["a", "b"]
[parameters]
regions = { type = "string", list = true, may_be_empty = true }
servers = { type = "table", list = true, key = "name", may_be_empty = true, fields = { name = { type = "string" } } }
big = { type = "boolean" }
folder = { type = "string" }
extra = { type = "string", default = "none" }
password = { type = "string", secret = true }
[[deploy]]
pipeline = "web"
for_each = "regions"
when = "!big"
with = { hosts = "${servers}", at = "${folder}", on = "${big}" }
[[deploy]]
pipeline = "end"
-- deployments/web/pipeline.toml --
cwd = "${folder}/x"
[parameters]
hosts = { type = "table", list = true, may_be_empty = true, key = "name" }
at = { type = "string" }
on = { type = "boolean" }
[[step]]
name = "a"
for_each = "hosts"
parallel = true
when = "on"
run = ["r", "${each.name}", "${regions...}", "${at}", "${extra}"]
stdin = { file = "${folder}/input" }
[[step]]
name = "b"
for_each = "zones"
script = "${at}/b.sh"
env = { PASSWORD = "${password}" }
output = "made"
-- deployments/end/pipeline.toml --
[[step]]
name = "c"
for_each = ["x", 2]
run = ["r", "${each}"]
when = "big"
"#;

/// Values from a number: each of its digits decides one of them.
fn values(mut seed: usize) -> String {
    let mut pick = |from: &[&str]| {
        let digit = seed % from.len();
        seed /= from.len();
        from[digit].to_owned()
    };
    [
        pick(&["regions = []", "regions = [\"eu\"]", "regions = [\"us\", \"eu\", \"ap\"]", "regions = [\"a b\"]", ""]),
        pick(&["servers = []", "servers = [{ name = \"s1\" }, { name = \"s2\" }]", "servers = [{}]", ""]),
        pick(&["big = true", "big = false", "big = 1", ""]),
        pick(&["folder = \"/srv\"", "folder = \"srv\"", "folder = \"../../../..\"", ""]),
        pick(&["extra = \"x\"", ""]),
        pick(&["password = { env = \"P\" }", "password = \"plain\"", ""]),
    ]
    .join("\n")
}

#[test]
fn items_and_flags_stood_in_the_skeleton() {
    let text = "regions = [\"eu\"]\nservers = []\nbig = true\nfolder = \"srv\"\npassword = { env = \"P\" }\n";
    let shown = skeleton(&format!("{FILES}-- environments/dev.toml --\n{text}"));
    assert_snapshot!(shown, @r#"
    dev
      web[${each}]   # for_each regions
        a[${each}]          r ${each.name} ${regions...} ${at} ${extra} < ${folder}/input   # in '${folder}/x', for_each hosts, parallel, when !big and on
        b[${each}]          PASSWORD=${password} ${at}/b.sh   # in '${folder}/x', for_each zones, output made, when !big
      end
        c[${each}]          r ${each}   # for_each ["x", 2], when big
    "#);
}

#[test]
fn any_two_sets_of_values_have_the_same_skeleton() {
    let of = |seed: usize| {
        let shown = skeleton(&format!("{FILES}-- environments/dev.toml --\n{}", values(seed)));
        // What is found follows the plan.
        shown.split("\nerror[").next().unwrap_or_default().to_owned()
    };
    let first = of(0);
    // 5 × 4 × 4 × 4 × 2 × 3 sets; a step without common divisor meets every choice, and most pairs.
    for seed in (0..1920).step_by(7) {
        assert_eq!(of(seed), first, "{}", values(seed));
    }
}

#[test]
fn the_values_still_decide_what_is_in_the_plan() {
    let of = |values: &str| plan(&format!("{FILES}-- environments/dev.toml --\n{values}"));
    let rest = "servers = []\nfolder = \"srv\"\npassword = { env = \"P\" }\n";
    assert_snapshot!(of(&format!("regions = [\"eu\"]\nbig = true\n{rest}")), @r#"
    dev
      web[eu]
        b[a]                PASSWORD="$PASSWORD" pipelines/deployments/web/srv/b.sh   # off: when !big, in pipelines/deployments/web/srv/x, output made
        b[b]                PASSWORD="$PASSWORD" pipelines/deployments/web/srv/b.sh   # off: when !big, in pipelines/deployments/web/srv/x, output made
      end
        c[x]                r x   # when big
        c[2]                r 2   # when big
    "#);
}
