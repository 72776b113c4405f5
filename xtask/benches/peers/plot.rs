//! Cost against size, as an SVG with both axes logarithmic. It knows nothing of what was measured.

use std::fmt::Write as _;

/// One line of the plot: a name, and cost by size.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const COLOURS: [&str; 10] =
    ["#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#7f7f7f"];
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 390.0;

/// From powers of ten to places on paper.
struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64> + Clone, start: f64, end: f64) -> Axis {
        let from = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        let to = values.fold(f64::NEG_INFINITY, f64::max).log10().ceil().max(from + 1.0);
        Axis { from, to, start, end }
    }

    fn place(&self, value: f64) -> f64 {
        self.start + (value.log10() - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        (self.from as i32..=self.to as i32).map(|power| 10_f64.powi(power))
    }
}

pub fn svg(title: &str, across: &str, up: &str, curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let x = Axis::new(points().map(|point| point.0), LEFT, RIGHT);
    let y = Axis::new(points().map(|point| point.1), BOTTOM, TOP);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    for power in x.powers() {
        let at = x.place(power);
        line(&mut text, at, TOP, at, BOTTOM);
        label(&mut text, at, BOTTOM + 16.0, "middle", &short(power));
    }
    for power in y.powers() {
        let at = y.place(power);
        line(&mut text, LEFT, at, RIGHT, at);
        label(&mut text, LEFT - 6.0, at + 4.0, "end", &short(power));
    }
    label(&mut text, f64::midpoint(LEFT, RIGHT), HEIGHT - 12.0, "middle", across);
    label(&mut text, 8.0, TOP - 6.0, "start", up);
    for (number, curve) in curves.iter().filter(|curve| !curve.points.is_empty()).enumerate() {
        draw(&mut text, number, curve, &x, &y);
    }
    text + "</svg>\n"
}

fn draw(text: &mut String, number: usize, curve: &Curve, x: &Axis, y: &Axis) {
    let colour = COLOURS[number % COLOURS.len()];
    let places: Vec<(f64, f64)> = curve.points.iter().map(|point| (x.place(point.0), y.place(point.1))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let width = if number == 0 { 3 } else { 1 };
    let path = path.join(" ");
    let _infallible =
        writeln!(text, "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>");
    for (x, y) in places {
        let _infallible = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    let at = TOP + 12.0 + 20.0 * number as f64;
    let mark = RIGHT + 14.0;
    let _infallible =
        writeln!(text, "<rect x=\"{mark}\" y=\"{}\" width=\"12\" height=\"4\" fill=\"{colour}\"/>", at - 6.0);
    label(text, RIGHT + 32.0, at, "start", &curve.name);
}

fn line(text: &mut String, x1: f64, y1: f64, x2: f64, y2: f64) {
    let _infallible =
        writeln!(text, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#dddddd\"/>");
}

fn label(text: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _infallible = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

fn short(power: f64) -> String {
    if power >= 1.0 { format!("{power:.0}") } else { format!("{power}") }
}
