//! What a terminal shows, as a picture: text with escapes becomes SVG, on a ground of its own, so that it can be read on a
//! light page and on a dark one.

use std::fmt::Write as _;

/// What stands on the screen in the end: a display that is drawn again goes up so many lines and erases what follows.
#[track_caller]
pub fn settled(said: &str) -> String {
    let mut pieces = said.split("\r\x1b[");
    let mut screen = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (up, rest) = piece.split_once("A\x1b[J").expect("it goes up and erases");
        for _ in 0..up.parse::<usize>().unwrap() {
            let whole = screen.strip_suffix('\n').expect("it goes up from the beginning of a line");
            screen.truncate(whole.rfind('\n').map_or(0, |end| end + 1));
        }
        screen += rest;
    }
    screen
}

/// How it looks: class and style.
const STYLES: [(&str, &str); 8] = [
    ("1", "font-weight:bold"),
    ("2", "fill:#8b949e"),
    ("31", "fill:#ff7b72"),
    ("32", "fill:#56d364"),
    ("33", "fill:#e3b341"),
    ("91", "fill:#ff7b72"),
    ("94", "fill:#79c0ff"),
    ("96", "fill:#56d4dd"),
];

/// A picture of these lines.
#[track_caller]
pub fn svg(title: &str, shown: &str) -> String {
    let mut rows = String::new();
    let (mut columns, mut count) = (0, 0);
    for line in shown.lines() {
        count += 1;
        let (row, width) = row(line);
        columns = columns.max(width);
        if width > 0 {
            let _infallible = writeln!(rows, "<text x=\"16\" y=\"{}\">{row}</text>", 10 + 18 * count);
        }
    }
    // A column of the fonts that are named takes 7.3 to 7.8 of 13.
    let (width, height) = (columns * 39 / 5 + 32, 18 * count + 28);
    let styles = STYLES.map(|(name, style)| format!(".s{name}{{{style}}}")).concat();
    let font = "13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace";
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" xml:space=\"preserve\"><title>{}</title>\n\
         <style>text{{font:{font};fill:#e6edf3;white-space:pre}}{styles}</style>\n\
         <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"#0d1117\" stroke=\"#6e7681\"/>\n{rows}</svg>\n",
        escaped(title),
        width - 1,
        height - 1,
    )
}

/// The text of a line in its spans, and how many columns it takes.
#[track_caller]
fn row(line: &str) -> (String, usize) {
    let (mut row, mut columns) = (String::new(), 0);
    let mut classes: Vec<&str> = Vec::new();
    for (at, piece) in line.split("\x1b[").enumerate() {
        let mut text = piece;
        if at > 0 {
            let (codes, rest) = piece.split_once('m').expect("a colour");
            text = rest;
            for code in codes.split(';') {
                match STYLES.iter().find(|(name, _)| *name == code) {
                    Some((name, _)) => classes.push(name),
                    None if code == "0" => classes.clear(),
                    None => panic!("the picture has no style for {code}: {line:?}"),
                }
            }
        }
        columns += text.chars().count();
        match classes.as_slice() {
            _ if text.is_empty() => {}
            [] => row += &escaped(text),
            classes => {
                let names = classes.iter().map(|name| format!("s{name}")).collect::<Vec<_>>().join(" ");
                let _infallible = write!(row, "<tspan class=\"{names}\">{}</tspan>", escaped(text));
            }
        }
    }
    (row, columns)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
