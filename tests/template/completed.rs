//! What real shells make of the completions. A shell that is not installed is left out: who has it will see it tested.

use std::fs;
use std::process::{Command, Stdio};

use super::repo::Repo;

/// A repository whose names have brackets, and a shell that has read the script it would read at its start.
struct Shell {
    name: &'static str,
    copy: Repo,
}

impl Shell {
    fn new(name: &'static str) -> Option<Shell> {
        let there = Command::new(name).args(["-c", "exit 0"]).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            eprintln!("left out: there is no {name} here");
            return None;
        }
        let copy = Repo::copy("shop");
        fs::write(copy.path(".git/completions"), copy.run(&["completions", name]).stdout).unwrap();
        // As cargo would, without looking whether it must build something.
        let cargo = format!("#!/bin/sh\nshift\nexec '{}' -C . \"$@\"\n", env!("CARGO_BIN_EXE_xtask"));
        super::repo::script(&copy.path(".git/bin/cargo"), &cargo);
        Some(Shell { name, copy })
    }

    /// What a script in the shell's own language prints.
    #[track_caller]
    fn says(&self, script: &str) -> String {
        let path = format!("{}:{}", self.copy.path(".git/bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(self.name);
        command.args(["-c", script]).current_dir(self.copy.path(""));
        command.env("PATH", path).env("HOME", self.copy.path(".git")).env("TERM", "vt100").stdin(Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What bash finds for the last of these words.
#[track_caller]
fn offered(bash: &Shell, words: &str) -> String {
    bash.says(&format!(
        "source .git/completions; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _cargo_xtask; echo \"${{COMPREPLY[@]}}\""
    ))
}

#[test]
fn bash_offers_environments_pipelines_and_steps() {
    let Some(bash) = Shell::new("bash") else { return };
    let offers = |words: &str| offered(&bash, words);
    assert_eq!(offers("cargo xtask deploy ''"), "dev prod test\n");
    assert_eq!(offers("cargo xtask deploy dev --only i"), "image\n");
    assert_eq!(offers("cargo xtask resume dev --rerun data"), "database/create-schema database/load-data\n");
    // Where nothing is known, files: and before `xtask`, what cargo has.
    assert_eq!(offers("cargo xtask upgrade pip"), "pipelines\n");
    assert_eq!(offers("cargo xt"), "xtask\n");
}

/// The shell took `[eu-west]` for a pattern of files, and offered the file.
#[test]
fn bash_offers_an_instance_where_a_file_is_called_like_it() {
    let Some(bash) = Shell::new("bash") else { return };
    fs::create_dir(bash.copy.path("webe")).unwrap();
    fs::write(bash.copy.path("webe/smoke"), "").unwrap();
    assert_eq!(
        offered(&bash, "cargo xtask logs dev web"),
        "web[eu-west]/configure web[eu-west]/install web[eu-west]/smoke\n"
    );
}

/// `my shop` was put into the line as two words: bash quotes what it is told to be names of files.
#[test]
fn bash_quotes_names_of_files_with_blanks() {
    let Some(bash) = Shell::new("bash") else { return };
    fs::create_dir(bash.copy.path("my shop")).unwrap();
    let said = bash.says(
        "source .git/completions; compopt() { echo told \"$@\"; }; COMP_WORDS=(cargo xtask upgrade my); COMP_CWORD=3
        _cargo_xtask; printf '%s\\n' \"${COMPREPLY[@]}\"; COMP_WORDS=(cargo xtask deploy d); _cargo_xtask",
    );
    assert_eq!(said, "told -o filenames\nmy shop\n");
}

/// As the advice says: from a folder that has no xtask, nothing is printed and nothing run.
#[test]
fn a_shell_reads_its_completions_outside_of_every_repository() {
    let Some(bash) = Shell::new("bash") else { return };
    let said = bash.says("file=$PWD/.git/completions; cd /; PATH=/bin:/usr/bin; source \"$file\"; complete -p cargo");
    assert_eq!(said, "complete -F _cargo_xtask cargo\n");
}

#[test]
fn fish_offers_environments_pipelines_and_steps() {
    let Some(fish) = Shell::new("fish") else { return };
    let offers = |typed: &str| fish.says(&format!("source .git/completions; complete -C '{typed}' | string join ' '"));
    assert_eq!(offers("cargo xtask deploy "), "dev prod test\n");
    assert_eq!(offers("cargo xtask deploy dev --only i"), "image\n");
    assert_eq!(offers("cargo xtask resume dev --rerun data"), "database/create-schema database/load-data\n");
    assert_eq!(offers("cargo xtask plan dev --s"), "--skeleton\n");
    assert_eq!(offers("cargo xtask upgrade pip"), "pipelines/\n");
}

/// What fish had put into the line itself, `web\[eu-west\]/`, was no beginning of any name.
#[test]
fn fish_goes_on_with_an_instance_that_it_has_begun() {
    let Some(fish) = Shell::new("fish") else { return };
    let said = fish.says(r"source .git/completions; complete -C 'cargo xtask logs dev web\\[eu-west\\]/'");
    assert_eq!(said, "web[eu-west]/configure\nweb[eu-west]/install\nweb[eu-west]/smoke\n");
}

/// An interactive zsh on a terminal of its own, its line after each of so many presses of the tabulator.
#[track_caller]
fn typed(zsh: &Shell, line: &str, tabs: usize) -> Vec<String> {
    let lines = zsh.copy.path(".git/lines");
    let inner = "autoload -U compinit; compinit -u -d .git/dump; source .git/completions; setopt no_beep; PS1=
        tell() { print -r -- $BUFFER >> .git/lines }
        zle -N tell; bindkey '^X' tell; print ready >> .git/lines";
    fs::write(zsh.copy.path(".git/inner"), inner).unwrap();
    fs::write(&lines, "").unwrap();
    // It goes on when the line was told: what is typed while zsh looks for names would change what it shows.
    let outer = format!(
        "zmodload zsh/zpty
        typeset -i begun=SECONDS
        typeset -a lines
        told() {{ until lines=(${{(f)\"$(<.git/lines)\"}}); [[ $#lines -ge $1 ]]; do
            (( SECONDS - begun < 60 )) || {{ print -u2 'it does not answer'; exit 1 }}
            zpty -r -t inner shown >/dev/null; sleep 0.01
        done }}
        zpty -b inner zsh -f -i
        zpty -w inner 'source .git/inner'
        told 1
        zpty -w -n inner '{line}'
        for press in {{1..{tabs}}}; do zpty -w -n inner $'\\t\\x18'; told $((press + 1)); done
        zpty -d inner"
    );
    zsh.says(&outer);
    let all = fs::read_to_string(lines).unwrap();
    all.lines().skip(1).map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn zsh_offers_environments_pipelines_and_steps() {
    let Some(zsh) = Shell::new("zsh") else { return };
    // The first press lists what there is, each further one takes the next name.
    assert_eq!(
        typed(&zsh, "cargo xtask deploy ", 4),
        ["cargo xtask deploy", "cargo xtask deploy dev", "cargo xtask deploy prod", "cargo xtask deploy test"]
    );
    assert_eq!(typed(&zsh, "cargo xtask deploy dev --only i", 1), ["cargo xtask deploy dev --only image"]);
    assert_eq!(typed(&zsh, "cargo xtask plan dev --s", 1), ["cargo xtask plan dev --skeleton"]);
    assert_eq!(typed(&zsh, "cargo xtask upgrade pip", 1), ["cargo xtask upgrade pipelines/"]);
}

/// What zsh had put into the line itself, `web\[eu-west\]/`, was no beginning of any name: instances were never offered.
#[test]
fn zsh_goes_on_with_an_instance_that_it_has_begun() {
    let Some(zsh) = Shell::new("zsh") else { return };
    let after = typed(&zsh, "cargo xtask logs dev w", 5);
    let names: Vec<&str> = after.iter().map(|line| line.trim_start_matches("cargo xtask logs dev ")).collect();
    let begun = r"web\[eu-west\]/";
    assert_eq!(names[..2], [begun, begun]);
    assert_eq!(names[2..], ["configure", "install", "smoke"].map(|step| format!("{begun}{step}")));
}
