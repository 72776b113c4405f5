//! Help and wrong usage in colour, from the text that clap makes. It is not done by clap because its colour brings six crates,
//! and asks how wide each text is by reading every letter through a table that an unoptimised build copies for each.

const OFF: &str = "\x1b[0m";
const LITERAL: &str = "\x1b[1m";
const HEADING: &str = "\x1b[1m\x1b[4m";
const ERROR: &str = "\x1b[1m\x1b[31m";
const INVALID: &str = "\x1b[33m";
const VALID: &str = "\x1b[32m";

/// What clap says, with escapes for a terminal.
#[must_use]
pub fn painted(text: &str) -> String {
    let mut section = "";
    let mut line = |line| {
        if !str::starts_with(line, ' ') && !line.is_empty() {
            section = line.split(':').next().unwrap_or(line);
        }
        painted_line(line, section)
    };
    text.split('\n').map(&mut line).collect::<Vec<_>>().join("\n")
}

fn painted_line(line: &str, section: &str) -> String {
    let item = line.trim_start();
    let indent = &line[..line.len() - item.len()];
    if let Some(said) = line.strip_prefix("error:") {
        // What was written is wrong; what it was written for is not.
        let (wrong, of) = said.split_at(said.find(" for ").unwrap_or(said.len()));
        return format!("{ERROR}error:{OFF}{}{}", quoted(wrong, INVALID), quoted(of, LITERAL));
    }
    if let Some(said) = item.strip_prefix("tip:") {
        return format!("{indent}{VALID}tip:{OFF}{}", quoted(said, VALID));
    }
    if let Some(usage) = line.strip_prefix("Usage: ") {
        let end = [" [", " <", " -"].iter().filter_map(|next| usage.find(next)).min().unwrap_or(usage.len());
        let (command, rest) = usage.split_at(end);
        return format!("{HEADING}Usage:{OFF} {LITERAL}{command}{OFF}{}", options(rest));
    }
    match section {
        _ if line.strip_suffix(':') == Some(section) => format!("{HEADING}{line}{OFF}"),
        "error" if item.starts_with('[') => {
            let (said, values) = line.split_at(line.find(": ").map_or(line.len(), |colon| colon + 2));
            let values = values.trim_end_matches(']').split(", ").map(|value| format!("{VALID}{value}{OFF}"));
            format!("{said}{}]", values.collect::<Vec<_>>().join(", "))
        }
        "error" if !item.is_empty() => format!("{indent}{VALID}{item}{OFF}"),
        "Commands" if !item.is_empty() => {
            let (name, help) = item.split_at(item.find(' ').unwrap_or(item.len()));
            format!("{indent}{LITERAL}{name}{OFF}{help}")
        }
        _ if item.starts_with('-') => {
            let (names, help) = item.split_at(item.find("  ").unwrap_or(item.len()));
            format!("{indent}{}{help}", options(names))
        }
        _ if line.starts_with("For more information") => quoted(line, LITERAL),
        _ => line.to_owned(),
    }
}

/// With every option of a list of words as what is to be written as it stands.
fn options(text: &str) -> String {
    let word = |word: &str| {
        let (name, comma) = word.strip_suffix(',').map_or((word, ""), |name| (name, ","));
        if name.starts_with('-') { format!("{LITERAL}{name}{OFF}{comma}") } else { word.to_owned() }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// With what stands between quotes in a colour.
fn quoted(text: &str, colour: &str) -> String {
    let piece = |(at, piece): (usize, &str)| {
        if at % 2 == 1 { format!("{colour}{piece}{OFF}") } else { piece.to_owned() }
    };
    text.split('\'').enumerate().map(piece).collect::<Vec<_>>().join("'")
}

#[cfg(test)]
mod tests {
    use super::painted;

    /// As clap itself has written it, with `^` for the escapes.
    #[track_caller]
    fn check(lines: &str) {
        let expected = lines.replace('^', "\x1b");
        let plain = lines.split('^').enumerate().map(|(at, piece)| match piece.split_once('m') {
            Some((_, rest)) if at > 0 => rest,
            _ => piece,
        });
        assert_eq!(painted(&plain.collect::<String>()), expected);
    }

    #[test]
    fn headings_commands_and_options_stand_out() {
        check("About: it\n\n^[1m^[4mUsage:^[0m ^[1mcargo xtask^[0m [OPTIONS] <COMMAND>\n");
        check(
            "^[1m^[4mCommands:^[0m\n  ^[1mcheck^[0m  Find what is wrong\n  ^[1mdeploy^[0m  Deploy --all\n\nIt's so\n",
        );
        check("^[1m^[4mArguments:^[0m\n  <ENV>  The environment\n");
        check("^[1m^[4mOptions of every command:^[0m\n  ^[1m-C^[0m <DIR>  Act\n  ^[1m-q^[0m, ^[1m--quiet^[0m  Less\n");
        check("^[1m^[4mOptions:^[0m\n      ^[1m--jobs^[0m <N>  How many [default: 16]\n\nExit code: 0 shown\n");
    }

    #[test]
    fn what_is_wrong_and_what_is_right_have_their_colours() {
        check(
            "^[1m^[31merror:^[0m unexpected argument '^[33m--jbs^[0m' found\n\n  ^[32mtip:^[0m a similar argument exists: \
             '^[32m--jobs^[0m'\n\n^[1m^[4mUsage:^[0m ^[1mcargo xtask deploy^[0m ^[1m--jobs^[0m <N> <ENV>\n\nFor more \
             information, try '^[1m--help^[0m'.\n",
        );
        check(
            "^[1m^[31merror:^[0m invalid value '^[33mjso^[0m' for '^[1m--format <FORMAT>^[0m'\n  [possible values: \
             ^[32mtext^[0m, ^[32mjson^[0m]\n",
        );
        check("^[1m^[31merror:^[0m these were not provided:\n  ^[32m--reason <REASON>^[0m\n  ^[32m<ENV>^[0m\n");
    }
}
