//! What a step has printed, made harmless for a terminal; times and ends in words.
//!
//! Pure. It knows nothing of where it is shown.

use std::borrow::Cow;
use std::fmt::Write;

use ciao_process::Exit;

/// One line without anything that a terminal would act on: of what was overwritten after `\r` only the last stays,
/// colour codes are taken out, other control characters and what is no UTF-8 are replaced.
#[must_use]
pub fn neutral(line: &[u8]) -> Cow<'_, str> {
    if printable(line)
        && let Ok(text) = std::str::from_utf8(line)
    {
        return Cow::Borrowed(text);
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.rsplit(|&byte| byte == b'\r').find(|part| !part.is_empty()).unwrap_or(b"");
    let (text, mut out) = (String::from_utf8_lossy(line), String::new());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\t' => out.push_str("    "),
            '\x1b' => skip_code(&mut chars),
            // Right-to-left marks could make a line read as another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            _ if char.is_control() => out.push('\u{fffd}'),
            _ => out.push(char),
        }
    }
    Cow::Owned(out)
}

/// Whether there is nothing but visible ASCII in a line.
fn printable(line: &[u8]) -> bool {
    crate::mask::first_unusual(line) == line.len()
}

fn skip_code(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => drop(chars.by_ref().find(|char| ('@'..='~').contains(char))),
        // An operating system command, as for titles and links: up to BEL or ESC \.
        Some(']') => {
            while let Some(char) = chars.next() {
                if char == '\x07' {
                    break;
                }
                if char == '\x1b' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        _ => {}
    }
}

#[must_use]
pub fn signal_name(signal: i32) -> String {
    match signal {
        1 => "SIGHUP".to_owned(),
        2 => "SIGINT".to_owned(),
        3 => "SIGQUIT".to_owned(),
        4 => "SIGILL (illegal instruction)".to_owned(),
        6 => "SIGABRT (abort)".to_owned(),
        7 => "SIGBUS".to_owned(),
        8 => "SIGFPE (arithmetic error)".to_owned(),
        9 => "SIGKILL (out of memory?)".to_owned(),
        11 => "SIGSEGV (invalid memory access)".to_owned(),
        13 => "SIGPIPE".to_owned(),
        15 => "SIGTERM".to_owned(),
        other => format!("signal {other}"),
    }
}

/// `exit code 3`, `killed by SIGKILL (out of memory?)`.
#[must_use]
pub fn end(exit: Exit) -> String {
    match exit {
        Exit::Signal(signal) => format!("killed by {}", signal_name(signal)),
        Exit::Code(code) if (129..160).contains(&code) => {
            format!("exit code {code}: what it ran was perhaps killed by {}", signal_name(code - 128))
        }
        Exit::Code(126) => "exit code 126: something that it ran may not be executed".to_owned(),
        Exit::Code(127) => "exit code 127: something that it ran was not found".to_owned(),
        Exit::Code(code) => format!("exit code {code}"),
    }
}

/// `0.4s`, `12s`, `3m 05s`, `1h 02m`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..10 => format!("{seconds:.1}s"),
        10..60 => format!("{whole}s"),
        60..3600 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => format!("{}h {:02}m", whole / 3600, whole / 60 % 60),
    }
}

/// Appends `text` to `to` for JSON, GitHub commands and the like, where `%` and line breaks mean something.
pub fn percent_escaped(text: &str, also: &str, to: &mut String) {
    for char in text.chars() {
        match char {
            '%' | '\r' | '\n' => write!(to, "%{:02X}", u32::from(char)).expect("a String takes everything"),
            _ if also.contains(char) => write!(to, "%{:02X}", u32::from(char)).expect("a String takes everything"),
            _ => to.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_19_what_a_step_prints_cannot_drive_the_terminal() {
        let check = |line: &[u8], expected: &str| assert_eq!(neutral(line), expected);
        check(b"plain", "plain");
        check(b"10%\r50%\r100%\r", "100%");
        check(b"\x1b[31mred\x1b[0m \x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "red xy");
        check(b"\xff\xfe\x00a\x08", "\u{fffd}\u{fffd}\u{fffd}a\u{fffd}");
        check("gr\u{fc}n \u{9b}31m \u{202e}x".as_bytes(), "gr\u{fc}n \u{fffd}31m \u{fffd}x");
        check(b"a\tb\x1b", "a    b");
    }

    #[test]
    fn any_byte_that_is_not_printable_is_seen_anywhere() {
        for byte in 0..=255_u8 {
            for at in 0..11 {
                let mut line = *b"hello world";
                line[at] = byte;
                assert_eq!(printable(&line), (b' '..0x7f).contains(&byte), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn fault_17_signals_and_exit_codes_are_kept_apart() {
        assert_eq!(end(Exit::Code(255)), "exit code 255");
        assert_eq!(end(Exit::Signal(11)), "killed by SIGSEGV (invalid memory access)");
        assert_eq!(end(Exit::Signal(9)), "killed by SIGKILL (out of memory?)");
        assert_eq!(end(Exit::Code(137)), "exit code 137: what it ran was perhaps killed by SIGKILL (out of memory?)");
        assert_eq!([0.44, 12.9, 185.0, 3725.0].map(duration), ["0.4s", "12s", "3m 05s", "1h 02m"]);
    }
}
