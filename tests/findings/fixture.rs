//! A repository written as one text, and what `check` says about it.

use camino::Utf8PathBuf;
use ciao::Tasks;
use ciao::repository::{Examined, Repository};

use crate::repo::{Entry, Repo, entries};

/// A repository that is gone when the test is over.
pub struct Folder(pub Utf8PathBuf, Repo);

impl Folder {
    #[track_caller]
    pub fn of(entries: &[Entry]) -> Folder {
        let repo = Repo::of(entries);
        Folder(Utf8PathBuf::try_from(repo.root.clone()).unwrap(), repo)
    }

    #[track_caller]
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        self.1.write(path, content);
    }

    pub fn examine(&self) -> (Repository, Examined) {
        let repository = Repository::read(&self.0);
        let examined = repository.examine(&Tasks::new());
        (repository, examined)
    }

    pub fn findings(&self) -> String {
        let (repository, examined) = self.examine();
        ciao::show::findings::text(&examined.findings, &|file| repository.text(file), false).trim_end().to_owned()
    }
}

/// The files of a text, with their content.
pub fn files(text: &str) -> Vec<(String, String)> {
    let path = |entry: &Entry| entry.path.to_str().unwrap().to_owned();
    entries(text).into_iter().map(|entry| (path(&entry), entry.text)).collect()
}

/// Two environments that differ in everything, one pipeline, one step that uses it all: nothing is wrong with it.
pub const SOUND: &str = r#"
-- pipelines/orchestration.toml --
[[environment]]
name = "dev"

[[environment]]
name = "prod"
-- pipelines/environment.toml --
[parameters]
debug = { type = "boolean" }

[parameters.site]
host = { type = "host", help = "db.dev.example is none" }
port = { type = "port" }
title = { type = "string" }

[[deploy]]
pipeline = "web"
-- pipelines/environments/dev.toml --
debug = true

[site]
host = "web.dev.example"
port = 8080
title = "Shop (dev)"
-- pipelines/environments/prod.toml --
debug = false

[site]
host = "shop.example"
port = 8443
title = "Shop"
-- pipelines/deployments/web/pipeline.toml --
[[step]]
name = "install"
script = "install.sh"
args = ["${site.title}", "${debug}"]
env = { SITE_HOST = "${site.host}", SITE_PORT = "${site.port}" }

[[step]]
name = "smoke-test"
run = ["curl", "--fail", "http://${site.host}:${site.port}/"]
verify = true
-- pipelines/deployments/web/install.sh --
#!/bin/sh
set -eu
echo "http://$SITE_HOST:$SITE_PORT/ $1"
"#;

/// The sound repository, with files replaced, added, or (where they are empty) taken away.
pub fn with(changes: &str) -> Folder {
    let (mut all, changes) = (entries(SOUND), entries(changes));
    all.retain(|entry| changes.iter().all(|changed| changed.path != entry.path));
    all.extend(changes.into_iter().filter(|changed| !changed.text.trim().is_empty()));
    Folder::of(&all)
}

/// A change: a file of the sound repository, below `pipelines/`, with pieces of it replaced.
#[track_caller]
pub fn changed(file: &str, pieces: &[(&str, &str)]) -> String {
    let path = format!("pipelines/{file}");
    let (_, mut content) = files(SOUND).into_iter().find(|(there, _)| *there == path).expect("the file is there");
    for (old, new) in pieces {
        assert!(content.contains(old), "{path} has no {old}");
        content = content.replace(old, new);
    }
    format!("-- {path} --\n{content}\n")
}

/// What is said about the sound repository with changes.
#[track_caller]
pub fn check(changes: &str) -> String {
    let found = with(changes).findings();
    assert!(!found.contains("ciao-test-"), "a path of the machine is shown");
    found
}

/// The codes that are found, with file and line: for tests of what must be found, not of how it is said.
#[track_caller]
pub fn codes(changes: &str) -> Vec<String> {
    let (repository, examined) = with(changes).examine();
    let place = |finding: &ciao::finding::Finding| {
        let text = repository.text(&finding.place.file).unwrap_or_default();
        ciao::show::findings::position(text, finding.place.span.start).0
    };
    examined
        .findings
        .iter()
        .map(|finding| format!("{} {}:{}", finding.code.name(), finding.place.file, place(finding)))
        .collect()
}

/// One thing is found: the form is what is looked for.
#[track_caller]
pub fn found(changes: &str, code: &str) {
    let codes = codes(changes);
    assert!(codes.len() == 1 && codes[0].starts_with(code), "{changes}: {codes:?}");
}

/// Nothing is found: the form is none of what is looked for.
#[track_caller]
pub fn quiet(changes: &str) {
    let found = check(changes);
    assert!(found.is_empty(), "{found}");
}
