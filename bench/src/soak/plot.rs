//! The samples as a picture: memory, open files and facts over time, one line for each machine.

use std::fmt::Write as _;

use super::samples::{Sample, Samples};

/// Size of the picture and of the margins around its panels, in pixels.
const WIDTH: f64 = 860.0;
const PANEL: f64 = 150.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const GAP: f64 = 46.0;
/// Colours that can be told apart without seeing red and green (Okabe and Ito 2008).
const COLOURS: [&str; 3] = ["#0072b2", "#d55e00", "#009e73"];

type Panel = (&'static str, fn(&Sample) -> f64);
const PANELS: [Panel; 3] =
    [("memory, MiB", |s| s.memory), ("open files", |s| s.files), ("facts, thousands", |s| s.facts / 1000.0)];

/// Draws them.
pub fn svg(samples: &Samples) -> String {
    let all = || samples.machines.iter().flat_map(|(_, samples)| samples);
    let end = all().map(|sample| sample.at).fold(1.0, f64::max);
    let height = GAP + PANELS.len() as f64 * (PANEL + GAP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (place, (name, _)) in samples.machines.iter().enumerate() {
        let (x, colour) = (LEFT + place as f64 * 110.0, COLOURS[place % COLOURS.len()]);
        let _ = writeln!(out, "<rect x=\"{x}\" y=\"14\" width=\"14\" height=\"4\" fill=\"{colour}\"/>");
        let _ = writeln!(out, "<text x=\"{}\" y=\"21\" fill=\"#222222\">{name}</text>", x + 20.0);
    }
    for (place, (title, value)) in PANELS.iter().enumerate() {
        let top = GAP + place as f64 * (PANEL + GAP);
        let most = round_up(all().map(value).fold(0.0, f64::max));
        axes(&mut out, title, top, most, end);
        for (line, (_, samples)) in samples.machines.iter().enumerate() {
            let point = |sample: &Sample| {
                let x = LEFT + sample.at / end * (WIDTH - LEFT - RIGHT);
                format!("{x:.1},{:.1}", top + PANEL - value(sample) / most * PANEL)
            };
            let points: Vec<String> = samples.iter().map(point).collect();
            let colour = COLOURS[line % COLOURS.len()];
            let (points, style) = (points.join(" "), "fill=\"none\" stroke-width=\"1.4\"");
            let _ = writeln!(out, "<polyline points=\"{points}\" {style} stroke=\"{colour}\"/>");
        }
    }
    out + "</svg>\n"
}

/// The frame of one panel: its title, four lines of the scale, and minutes below.
fn axes(out: &mut String, title: &str, top: f64, most: f64, end: f64) {
    let _ =
        writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" fill=\"#222222\" font-weight=\"bold\">{title}</text>", top - 8.0);
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let (y, value) = (top + PANEL - share * PANEL, share * most);
        let _ =
            writeln!(out, "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#dddddd\"/>", WIDTH - RIGHT);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#555555\">{value}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    for part in 0..=6 {
        let share = f64::from(part) / 6.0;
        let (x, minutes) = (LEFT + share * (WIDTH - LEFT - RIGHT), share * end / 60.0);
        let y = top + PANEL + 16.0;
        let _ =
            writeln!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" fill=\"#555555\">{minutes:.0} min</text>");
    }
}

/// The next number that four lines divide well: 4, 8, 20, 40, 80, 200 and so on.
fn round_up(value: f64) -> f64 {
    let mut ten = 4.0;
    loop {
        for step in [1.0, 2.0, 5.0] {
            if ten * step >= value {
                return ten * step;
            }
        }
        ten *= 10.0;
    }
}
