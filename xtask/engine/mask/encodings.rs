//! In which forms a secret may be printed: as it is, escaped for JSON, URLs, shells, XML, SQL or Python, in hex, in base64.
//!
//! Pure. It knows nothing of streams; line breaks, colour codes and backslashes in between are the masker's to see through.

use std::fmt::Write;

/// A line of a secret that is shorter would garble everything else.
pub const SHORTEST: usize = 8;
/// How many bytes of a dump are looked for at once: a secret may go over the end of a row anywhere.
const DUMPED: usize = 4;
/// A longer secret is looked for in a dump as a whole only: its pieces would be many.
const LONGEST_DUMPED: usize = 1 << 10;

/// Whether there is too little of a secret to be searched for: many programs print it without the blanks at its ends, and
/// backslashes are not seen.
#[must_use]
pub fn is_short(secret: &[u8]) -> bool {
    secret.trim_ascii().iter().filter(|&&byte| byte != b'\\').count() < SHORTEST
}

/// The forms so far.
#[derive(Default)]
struct Forms {
    all: Vec<Vec<u8>>,
    /// Where those begin of what is being looked at: what another line has too does no harm.
    from: usize,
}

impl Forms {
    /// Most forms of a line are the line itself.
    fn insert(&mut self, form: Vec<u8>) {
        if !self.all[self.from..].contains(&form) {
            self.all.push(form);
        }
    }
}

/// All forms of `secret`, of its lines, and of it without the blanks at its ends.
#[must_use]
pub fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Forms::default();
    whole(secret, &mut out);
    let trimmed = secret.trim_ascii();
    if !is_short(trimmed) && trimmed.len() < secret.len() {
        whole(trimmed, &mut out);
    }
    if secret.contains(&b'\n') {
        for line in secret.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !is_short(line) {
                out.from = out.all.len();
                escaped(line, &mut out);
            }
        }
    }
    out.all
}

fn whole(secret: &[u8], out: &mut Forms) {
    out.from = out.all.len();
    escaped(secret, out);
    digits(secret, out);
    // In a token or another program's secret, what is encoded is JSON that holds it.
    let json = json_form(secret, "", false, false);
    if json != secret {
        digits(&json, out);
    }
    // Last, because these are many, and none is among the others.
    hex(secret, out);
}

/// The forms in which every character stands for itself or is escaped, and the order stays.
fn escaped(secret: &[u8], out: &mut Forms) {
    out.insert(secret.to_vec());
    json(secret, out);
    url(secret, out);
    doubled(secret, out);
    xml(secret, out);
    bytes(secret, out);
}

/// `secret` with other bytes in the place of some.
fn replaced(secret: &[u8], replace: impl Fn(u8, &mut Vec<u8>)) -> Vec<u8> {
    let mut form = Vec::with_capacity(secret.len() + 8);
    secret.iter().for_each(|&byte| replace(byte, &mut form));
    form
}

/// What serialisers escape because it means something in HTML: nothing, what Go's does, what PHP's can, Java's, .NET's.
const HTML: [&str; 5] = ["", "<>&", "<>&'", "<>&'=", "<>&'\"+`"];

fn json(secret: &[u8], out: &mut Forms) {
    // They differ also in whether they escape what is not ASCII.
    for html in HTML {
        for ascii in [false, true] {
            for capital in [false, true] {
                out.insert(json_form(secret, html, ascii, capital));
            }
        }
    }
}

fn json_form(secret: &[u8], html: &str, ascii: bool, capital: bool) -> Vec<u8> {
    let mut form = String::new();
    for char in String::from_utf8_lossy(secret).chars() {
        match char {
            _ if html.contains(char) || (ascii && !char.is_ascii()) => unicode(char, capital, &mut form),
            '"' => form.push_str("\\\""),
            '\\' => form.push_str("\\\\"),
            '\n' => form.push_str("\\n"),
            '\r' => form.push_str("\\r"),
            '\t' => form.push_str("\\t"),
            '\u{8}' => form.push_str("\\b"),
            '\u{c}' => form.push_str("\\f"),
            _ if char < ' ' || (ascii && char == '\u{7f}') => unicode(char, capital, &mut form),
            _ => form.push(char),
        }
    }
    form.into_bytes()
}

fn unicode(char: char, capital: bool, form: &mut String) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        if capital { write!(form, "\\u{unit:04X}") } else { write!(form, "\\u{unit:04x}") }
            .expect("a String takes everything");
    }
}

/// What stays as it is in a URL beside letters and digits: of RFC 3986 alone and with `/`; of forms; of JavaScript's
/// `encodeURIComponent`, `encodeURI` and `escape`; of Go's segments, paths and passwords; of passwords, paths, queries and
/// fragments as browsers, node and curl have them.
const STAYS: [&str; 13] = [
    "-._~",
    "-._~/",
    "-._*",
    "-._~!'()*",
    "-._~!'()*;/?:@&=+$,#",
    "@*_+-./",
    "-._~$&+:=@",
    "-._~$&+,/:;=@",
    "-._~$&+,;=",
    "-._~!$%&'()*+,",
    "-._~!$%&'()*+,/:;=@[\\]^|",
    "-._~!$%&()*+,/:;=@[\\]^|?`{}",
    "-._~!$%&'()*+,/:;=@[\\]^|?{}#",
];

fn url(secret: &[u8], out: &mut Forms) {
    for stays in STAYS {
        for capital in [true, false] {
            for plus in [false, true] {
                out.insert(replaced(secret, |byte, form| match byte {
                    b' ' if plus => form.push(b'+'),
                    _ if byte.is_ascii_alphanumeric() || stays.as_bytes().contains(&byte) => form.push(byte),
                    _ => {
                        form.push(b'%');
                        hex_digits(byte, capital, form);
                    }
                }));
            }
        }
    }
}

/// What is written twice where once would mean something: a quote in SQL, YAML, CSV and PowerShell, `$` for make and Compose,
/// `%` for printf; and a quote that ends the quotes of a shell, whose backslash is not seen.
fn doubled(secret: &[u8], out: &mut Forms) {
    let all: [(u8, &[u8]); 6] =
        [(b'\'', b"''"), (b'"', b"\"\""), (b'$', b"$$"), (b'%', b"%%"), (b'\'', b"'''"), (b'\'', b"'\"'\"'")];
    for (special, twice) in all {
        out.insert(replaced(secret, |byte, form| if byte == special { form.extend(twice) } else { form.push(byte) }));
    }
}

fn xml(secret: &[u8], out: &mut Forms) {
    // Text escapes less than attributes, there are several ways to write a quote, and some escape what means something
    // in attributes without quotes.
    let forms: [[&[u8]; 6]; 9] = [
        [b">", b"\"", b"'", b"`", b"=", b"/"],
        [b"&gt;", b"\"", b"'", b"`", b"=", b"/"],
        [b"&gt;", b"&quot;", b"'", b"`", b"=", b"/"],
        [b"&gt;", b"&quot;", b"&apos;", b"`", b"=", b"/"],
        [b"&gt;", b"&quot;", b"&#39;", b"`", b"=", b"/"],
        [b"&gt;", b"&#34;", b"&#39;", b"`", b"=", b"/"],
        [b"&gt;", b"&quot;", b"&#x27;", b"`", b"=", b"/"],
        [b"&gt;", b"&quot;", b"&#39;", b"&#96;", b"=", b"/"],
        [b"&gt;", b"&quot;", b"&#39;", b"&#x60;", b"&#x3D;", b"&#x2F;"],
    ];
    for [greater, double, single, back, equal, slash] in forms {
        out.insert(replaced(secret, |byte, form| match byte {
            b'&' => form.extend(b"&amp;"),
            b'<' => form.extend(b"&lt;"),
            b'>' => form.extend(greater),
            b'"' => form.extend(double),
            b'\'' => form.extend(single),
            b'`' => form.extend(back),
            b'=' => form.extend(equal),
            b'/' => form.extend(slash),
            _ => form.push(byte),
        }));
    }
}

/// What is not ASCII, or does not show, as its bytes: Python, and what writes octal (shells, perl, git, `sed -n l`).
fn bytes(secret: &[u8], out: &mut Forms) {
    for (octal, all) in [(false, false), (false, true), (true, true)] {
        out.insert(replaced(secret, |byte, form| match byte {
            b'\n' => form.extend(b"\\n"),
            b'\t' => form.extend(b"\\t"),
            b'\r' => form.extend(b"\\r"),
            b' '..=b'~' => form.push(byte),
            0x80.. if !all => form.push(byte),
            _ if octal => form.extend(format!("\\{byte:03o}").into_bytes()),
            _ => {
                form.extend(b"\\x");
                hex_digits(byte, false, form);
            }
        }));
    }
}

fn hex(secret: &[u8], out: &mut Forms) {
    let pairs = |capital: bool| -> Vec<Vec<u8>> {
        secret.iter().map(|&byte| replaced(&[byte], |byte, form| hex_digits(byte, capital, form))).collect()
    };
    let (lower, upper) = (pairs(false), pairs(true));
    out.all.extend([lower.concat(), upper.concat()]);
    // Of certificates, of dumps, of arrays, of escapes.
    let separated: [(&[Vec<u8>], &[u8]); 5] =
        [(&lower, b":"), (&upper, b":"), (&lower, b" "), (&lower, b", 0x"), (&lower, b"\\x")];
    let size = if secret.len() > LONGEST_DUMPED { secret.len() } else { DUMPED.min(secret.len()) };
    for (pairs, between) in separated {
        out.all.extend(pairs.windows(size).map(|pairs| pairs.join(between)));
    }
    // `xxd` groups two bytes, and what is looked for begins with the first or the second of them.
    for pairs in lower.windows(size) {
        for first in [0, 1] {
            let groups = pairs[first..].chunks(2).map(|group| group.concat());
            out.all.push(pairs[..first].iter().cloned().chain(groups).collect::<Vec<_>>().join(&b' '));
        }
    }
}

/// Whether a secret was found in a row of a dump, judging by how what was found begins.
#[must_use]
pub fn is_dump(found: &[u8]) -> bool {
    let between = |byte: &u8| matches!(byte, b' ' | b':');
    let is_row = |start: &[u8]| start.iter().all(|byte| byte.is_ascii_hexdigit() || between(byte));
    found.get(..SHORTEST).is_some_and(|start| start.iter().any(between) && is_row(start))
}

fn hex_digits(byte: u8, capital: bool, form: &mut Vec<u8>) {
    let digits = if capital { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    form.extend([digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
}

/// In base64 and base32.
fn digits(secret: &[u8], out: &mut Forms) {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for last in [b"+/", b"-_"] {
        in_digits(secret, 6, &[LETTERS, &LETTERS.to_ascii_lowercase(), b"0123456789", last].concat(), out);
    }
    in_digits(secret, 5, &[LETTERS, b"234567"].concat(), out);
}

/// In digits of so many bits, at every alignment: what stands before the secret decides which of several forms it takes,
/// and the digits at its ends also hold bits of its neighbours, so they are left out.
fn in_digits(secret: &[u8], size: usize, alphabet: &[u8], out: &mut Forms) {
    // A byte has eight bits: so many bytes later all is as before.
    for before in 0..if size == 6 { 3 } else { 5 } {
        let bits = before * 8..(before + secret.len()) * 8;
        // The digits whose bits are all the secret's.
        let digit = |digit: usize| {
            let value = (0..size).fold(0, |value, bit| {
                let at = digit * size + bit - bits.start;
                value << 1 | usize::from(secret[at / 8] >> (7 - at % 8) & 1)
            });
            alphabet[value]
        };
        out.insert((bits.start.div_ceil(size)..bits.end / size).map(digit).collect());
    }
}
