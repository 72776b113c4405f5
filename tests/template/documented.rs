//! `docs/commands.md` is what the program says of itself.

use std::path::Path;

use super::shapes::xtask;

const EVERY: &str = "\nOptions of every command:\n";

/// The help of a command and of those below it, as a page has it: a heading and a block each.
fn help(command: &[&str], page: &mut String) {
    let (code, text) = xtask(&[command, &["--help"]].concat());
    assert_eq!(code, 0, "{text}");
    let mut text = text.trim_end().to_owned();
    if let (false, Some(at)) = (command.is_empty(), text.find(EVERY)) {
        // Said once, at the top; what follows it is another paragraph.
        let end = text[at + 1..].find("\n\n").map_or(text.len(), |end| at + 2 + end);
        text.replace_range(at..end, "");
    }
    let name = [&["cargo", "xtask"], command].concat().join(" ");
    *page += &format!("\n{} `{name}`\n\n```text\n{text}\n```\n", "#".repeat(command.len().clamp(1, 2) + 1));
    let listed = text.split("Commands:\n").nth(1).unwrap_or_default();
    let names = listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    for inner in names.filter(|inner| *inner != "help") {
        help(&[command, &[inner]].concat(), page);
    }
}

/// Accepted as snapshots are: with `INSTA_UPDATE=always`.
#[test]
fn the_page_of_the_commands_is_what_they_say() {
    const END: &str = "<!-- What follows is written by tests/template/documented.rs. -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands.md");
    let there = std::fs::read_to_string(&path).expect("the page is there");
    let mut page = there.split_inclusive(END).next().unwrap_or_default().to_owned();
    help(&[], &mut page);
    if std::env::var("INSTA_UPDATE").is_ok_and(|accept| accept == "always") {
        std::fs::write(&path, &page).expect("it can be written");
    }
    let there = std::fs::read_to_string(&path).expect("the page is there");
    let differs = there.lines().zip(page.lines()).find(|(there, said)| there != said);
    let accept =
        "if the program is right: INSTA_UPDATE=always cargo test --test template documented, and commit the page";
    assert!(there == page, "docs/commands.md is not what the commands say: {differs:?}\n{accept}");
}
