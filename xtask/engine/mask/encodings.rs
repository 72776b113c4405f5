//! In which forms a secret may be printed: as it is, escaped for JSON, URLs, shells, XML, SQL or Python, in hex, in base64.
//!
//! Pure. It knows nothing of streams; line breaks and colour codes in between are the masker's to see through.

use std::fmt::Write;

/// A line of a secret that is shorter would garble everything else.
pub const SHORTEST: usize = 8;

/// The forms so far.
#[derive(Default)]
struct Forms {
    all: Vec<Vec<u8>>,
    /// Where those of the line begin that is being looked at: what another line has too does no harm.
    line: usize,
}

impl Forms {
    /// Most forms of a line are the line itself.
    fn insert(&mut self, form: Vec<u8>) {
        if !self.all[self.line..].contains(&form) {
            self.all.push(form);
        }
    }
}

/// All forms of `secret`, and of its lines.
#[must_use]
pub fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Forms::default();
    escaped(secret, &mut out);
    hex(secret, &mut out);
    base64(secret, &mut out);
    if secret.contains(&b'\n') {
        for line in secret.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() >= SHORTEST {
                out.line = out.all.len();
                escaped(line, &mut out);
            }
        }
    }
    out.all
}

/// The forms in which every character stands for itself or is escaped, and the order stays.
fn escaped(secret: &[u8], out: &mut Forms) {
    out.insert(secret.to_vec());
    json(secret, out);
    url(secret, out);
    shell(secret, out);
    xml(secret, out);
    quoted(secret, out);
}

/// What serialisers escape because it means something in HTML: nothing, what Go's does, what PHP's can.
const HTML: [&str; 3] = ["", "<>&", "<>&'"];

fn json(secret: &[u8], out: &mut Forms) {
    let text = String::from_utf8_lossy(secret);
    // Serialisers differ in whether they escape `/`, what is not ASCII, and what means something in HTML.
    for slash in [false, true] {
        for ascii in [false, true] {
            for html in HTML {
                for capital in [false, true] {
                    let mut form = String::new();
                    for char in text.chars() {
                        json_char(char, slash, ascii, html, capital, &mut form);
                    }
                    // JSON in a string of JSON: what logs and annotations hold.
                    out.insert(form.replace('\\', "\\\\").replace('"', "\\\"").into_bytes());
                    out.insert(form.into_bytes());
                }
            }
        }
    }
}

fn json_char(char: char, slash: bool, ascii: bool, html: &str, capital: bool, form: &mut String) {
    match char {
        '"' => form.push_str("\\\""),
        '\\' => form.push_str("\\\\"),
        '\n' => form.push_str("\\n"),
        '\r' => form.push_str("\\r"),
        '\t' => form.push_str("\\t"),
        '\u{8}' => form.push_str("\\b"),
        '\u{c}' => form.push_str("\\f"),
        '/' if slash => form.push_str("\\/"),
        _ if char < ' ' || html.contains(char) || (ascii && !(' '..='\u{7e}').contains(&char)) => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                if capital { write!(form, "\\u{unit:04X}") } else { write!(form, "\\u{unit:04x}") }
                    .expect("a String takes everything");
            }
        }
        _ => form.push(char),
    }
}

fn url(secret: &[u8], out: &mut Forms) {
    // What stays as it is: of RFC 3986, of JavaScript's encodeURIComponent, of its encodeURI, of forms, of RFC 3986 with `/`.
    for stays in ["-._~", "-._~!'()*", "-._~!'()*;/?:@&=+$,#", "-._*", "-._~/", "-._"] {
        for capital in [true, false] {
            for plus in [false, true] {
                let mut form = Vec::new();
                for &byte in secret {
                    match byte {
                        b' ' if plus => form.push(b'+'),
                        _ if byte.is_ascii_alphanumeric() || stays.as_bytes().contains(&byte) => form.push(byte),
                        _ => {
                            form.push(b'%');
                            hex_digits(byte, capital, &mut form);
                        }
                    }
                }
                out.insert(form);
            }
        }
    }
}

fn shell(secret: &[u8], out: &mut Forms) {
    let replaced = |replace: fn(u8, &mut Vec<u8>)| {
        let mut form = Vec::new();
        secret.iter().for_each(|&byte| replace(byte, &mut form));
        form
    };
    // In single quotes: a quote ends them, and is written as one of these.
    out.insert(replaced(|byte, form| match byte {
        b'\'' => form.extend(b"'\\''"),
        _ => form.push(byte),
    }));
    out.insert(replaced(|byte, form| match byte {
        b'\'' => form.extend(b"'\"'\"'"),
        _ => form.push(byte),
    }));
    // In double quotes.
    out.insert(replaced(|byte, form| {
        if matches!(byte, b'"' | b'\\' | b'$' | b'`') {
            form.push(b'\\');
        }
        form.push(byte);
    }));
    // Without quotes, as `printf %q`: everything that could mean something.
    out.insert(replaced(|byte, form| {
        if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"%+-./:=@_\n".contains(&byte) {
            form.push(b'\\');
        }
        form.push(byte);
    }));
    // `$'…'`.
    out.insert(replaced(|byte, form| match byte {
        b'\n' => form.extend(b"\\n"),
        b'\t' => form.extend(b"\\t"),
        b'\r' => form.extend(b"\\r"),
        b'\'' | b'\\' => form.extend([b'\\', byte]),
        _ => form.push(byte),
    }));
}

fn xml(secret: &[u8], out: &mut Forms) {
    // Text escapes less than attributes, and there are three ways to write a quote.
    let forms: [[&[u8]; 3]; 6] = [
        [b">", b"\"", b"'"],
        [b"&gt;", b"\"", b"'"],
        [b"&gt;", b"&quot;", b"'"],
        [b"&gt;", b"&quot;", b"&apos;"],
        [b"&gt;", b"&quot;", b"&#39;"],
        [b"&gt;", b"&#34;", b"&#39;"],
    ];
    let hexadecimal: [&[u8]; 3] = [b"&gt;", b"&quot;", b"&#x27;"];
    for [greater, double, single] in forms.into_iter().chain([hexadecimal]) {
        let mut form = Vec::new();
        for &byte in secret {
            match byte {
                b'&' => form.extend(b"&amp;"),
                b'<' => form.extend(b"&lt;"),
                b'>' => form.extend(greater),
                b'"' => form.extend(double),
                b'\'' => form.extend(single),
                _ => form.push(byte),
            }
        }
        out.insert(form);
    }
}

/// As SQL, YAML and PowerShell double a quote, and as Python shows text and bytes.
fn quoted(secret: &[u8], out: &mut Forms) {
    for quote in [b'\'', b'"'] {
        out.insert(
            secret.iter().flat_map(|&byte| std::iter::repeat_n(byte, if byte == quote { 2 } else { 1 })).collect(),
        );
        for bytes in [false, true] {
            let mut form = Vec::new();
            for &byte in secret {
                match byte {
                    b'\n' => form.extend(b"\\n"),
                    b'\t' => form.extend(b"\\t"),
                    b'\r' => form.extend(b"\\r"),
                    b'\\' => form.extend(b"\\\\"),
                    b'\'' if quote == b'\'' => form.extend(b"\\'"),
                    b' '..=b'~' => form.push(byte),
                    0x80.. if !bytes => form.push(byte),
                    _ => {
                        form.extend(b"\\x");
                        hex_digits(byte, false, &mut form);
                    }
                }
            }
            out.insert(form);
        }
    }
}

fn hex(secret: &[u8], out: &mut Forms) {
    let pairs = |capital: bool| -> Vec<Vec<u8>> {
        let pair = |&byte| {
            let mut form = Vec::with_capacity(2);
            hex_digits(byte, capital, &mut form);
            form
        };
        secret.iter().map(pair).collect()
    };
    let (lower, upper) = (pairs(false), pairs(true));
    // Of certificates, of dumps, of arrays, of escapes.
    let separated: [(&[Vec<u8>], &[u8]); 7] = [
        (&lower, b""),
        (&upper, b""),
        (&lower, b":"),
        (&upper, b":"),
        (&lower, b" "),
        (&lower, b", 0x"),
        (&lower, b"\\x"),
    ];
    separated.into_iter().for_each(|(pairs, between)| out.insert(pairs.join(between)));
    // `xxd` groups two bytes, and the secret begins with the first or the second of them.
    for first in [0, 1] {
        let groups = lower[first..].chunks(2).map(|group| group.concat());
        out.insert(lower[..first].iter().cloned().chain(groups).collect::<Vec<_>>().join(&b' '));
    }
    // `hexdump -C` has two blanks in the middle of its sixteen.
    if let Some((left, right)) = lower.split_at_checked(8).filter(|(_, right)| !right.is_empty()) {
        out.insert([left.join(&b' '), right.join(&b' ')].join(&b"  "[..]));
    }
}

fn hex_digits(byte: u8, capital: bool, form: &mut Vec<u8>) {
    let digits = if capital { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    form.extend([digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
}

/// In base64 at every alignment: what stands before the secret decides which of three forms it takes, and the digits
/// at its ends also hold bits of its neighbours, so they are left out.
fn base64(secret: &[u8], out: &mut Forms) {
    for [last, last_but_one] in [*b"/+", *b"_-"] {
        for before in 0..3_usize {
            let mut form = Vec::new();
            let bits = before * 8..(before + secret.len()) * 8;
            // The digits whose six bits are all the secret's.
            for digit in bits.start.div_ceil(6)..bits.end / 6 {
                let value = (0..6).fold(0_u8, |value, bit| {
                    let at = digit * 6 + bit - bits.start;
                    value << 1 | (secret[at / 8] >> (7 - at % 8) & 1)
                });
                form.push(match value {
                    0..26 => b'A' + value,
                    26..52 => b'a' + value - 26,
                    52..62 => b'0' + value - 52,
                    62 => last_but_one,
                    _ => last,
                });
            }
            out.insert(form);
        }
    }
}
