//! Secrets that no step can use, found before any step has run.

use super::*;

/// `prod` reads `title` from somewhere; its value is in `CANARY`-words only, to be searched for.
fn reading(kind: &str, source: &str) -> Repo {
    let repo = Repo::bare(TWO).committed();
    let parameter =
        format!("[parameters]\nword = {{ type = \"{kind}\", secret = true }}\n[[deploy]]\npipeline = \"web\"\n");
    repo.write("pipelines/environment.toml", parameter);
    repo.write("pipelines/environments/dev.toml", format!("word = {source}\n"));
    repo.write("pipelines/environments/prod.toml", "word = { env = \"OTHER\" }\n");
    let file = "pipelines/deployments/web/pipeline.toml";
    let text = std::fs::read_to_string(repo.path(file)).unwrap();
    let step = "[[step]]\nname = \"use\"\nrun = [\"sh\", \"-c\", \"echo ${#WORD}\"]\nenv = { WORD = \"${word}\" }\n";
    repo.write(file, format!("{text}\n{}", step.replace("${#", "$${#")));
    repo.commit();
    repo
}

#[track_caller]
fn refused(kind: &str, content: &[u8], why: &str) {
    let repo = reading(kind, "{ file = \".git/word\" }");
    repo.write(".git/word", content);
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(&format!("error: secret word (file .git/word): {why}\n")), "{said}");
    assert!(said.contains("nothing ran") && !said.contains("installed"), "{said}");
    for word in ["canary", "not-a", "999999"] {
        assert!(!said.contains(word), "{said}");
    }
}

#[track_caller]
fn taken(kind: &str, content: &[u8], length: usize) {
    let repo = reading(kind, "{ file = \".git/word\" }");
    repo.write(".git/word", content);
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert!(code == 0 && said.contains(&format!("web/use | {length}\n")), "{said}");
}

#[test]
fn a_secret_that_no_variable_can_hold_was_found_by_the_step_that_uses_it() {
    refused("string", b"canary\0canary", "it has a NUL in it, which no variable can hold");
    refused("string", b"            \n\n", "it is nothing but blanks");
    taken("string", b"  a pass word \n", 14);
}

#[test]
fn the_type_of_a_secret_was_never_looked_at() {
    let wrong = |kind: &str, why: &str| format!("it is declared as `type = \"{kind}\"`, and is none: {why}");
    refused("integer", b"not-a-number", &wrong("integer", "it is another text"));
    refused("url", b"not-a-url-at-all", &wrong("url", "it has no scheme"));
    refused("host", b"not-a host canary", &wrong("host", "no host can be named so"));
    refused("table", b"{ \"canary\": ", &wrong("table", "it is no JSON"));
    refused("url", b"http://canary\xff.example", &wrong("url", "it is no UTF-8"));
    taken("integer", b"1234567890\n", 10);
    taken("url", b"postgres://u:canary@db.example/x\n", 32);
    taken("table", b"{\"canary\": 1}\n", 13);
}

#[test]
fn a_secret_without_end_took_all_memory() {
    let (long, longest) = ("it is longer than 64 KiB", 64 << 10);
    refused("string", &vec![b'c'; longest + 1], long);
    let repo = reading("string", "{ file = \"/dev/zero\" }");
    let (_, said, code) = run(&repo, &["deploy", "dev"]);
    assert!(code == 2 && said.contains(&format!("(file /dev/zero): {long}")), "{said}");
    let mut word = vec![b'c'; longest];
    word.extend(b"\r\n");
    taken("string", &word, longest);
}

#[test]
fn a_secret_output_without_end_took_all_memory() {
    let made = |count: &str| {
        let repo = Repo::bare(TWO).committed();
        let file = "pipelines/deployments/web/pipeline.toml";
        let text = std::fs::read_to_string(repo.path(file)).unwrap();
        let run = format!("[\"head\", \"-c\", \"{count}\", \"long\"]");
        let make = format!("[[step]]\nname = \"make\"\nrun = {run}\noutput = {{ name = \"word\", secret = true }}\n");
        let uses = "[[step]]\nname = \"use\"\nrun = [\"cat\"]\nstdin = \"${word}\"\n";
        repo.write(file, format!("{text}\n{make}\n{uses}"));
        repo.write("pipelines/deployments/web/long", "c".repeat(70_000));
        repo.commit();
        let (_, said, code) = super::run(&repo, &["deploy", "dev"]);
        (said, code)
    };
    let (said, code) = made("70000");
    assert!(code == 1 && said.contains("it has produced more than 64 KiB, which is too long for a secret"), "{said}");
    assert!(!said.contains("cccc"), "{said}");
    let (said, code) = made("60000");
    assert!(code == 0 && said.contains("web/use | ***\n"), "{said}");
}
