//! A chart of a benchmark: groups of bars on a logarithmic scale, as SVG.

use std::fmt::Write;

const COLOURS: [&str; 4] = ["#888888", "#4477aa", "#66ccee", "#228833"];
const WIDTH: f64 = 1100.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 40.0;

/// A bar for each of `series` in every group; values must be positive.
pub fn bars(title: &str, unit: &str, series: &[&str], groups: &[(String, Vec<f64>)]) -> String {
    let values = || groups.iter().flat_map(|(_, values)| values).copied().filter(|v| *v > 0.0);
    let low = values().fold(f64::INFINITY, f64::min).log10().floor();
    let high = values().fold(0.0, f64::max).log10().ceil().max(low + 1.0);
    let floor = HEIGHT - BOTTOM;
    let y = |value: f64| floor - (value.log10() - low) / (high - low) * (floor - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{title} ({unit})</text>\n"
    );
    for power in low as i32..=high as i32 {
        let at = y(10f64.powi(power));
        let label = 10f64.powi(power);
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>");
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0, at + 4.0);
    }
    let step = (WIDTH - LEFT - 10.0) / groups.len().max(1) as f64;
    let width = step * 0.8 / series.len().max(1) as f64;
    for (g, (name, values)) in groups.iter().enumerate() {
        let x = LEFT + step * g as f64 + step * 0.1;
        for (s, value) in values.iter().enumerate().filter(|(_, v)| **v > 0.0) {
            let (left, top, colour) = (x + width * s as f64, y(*value), COLOURS[s % COLOURS.len()]);
            let height = (floor - top).max(0.5);
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
            );
        }
        let middle = x + step * 0.4;
        let _ = writeln!(svg, "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>", floor + 16.0);
    }
    for (s, name) in series.iter().enumerate() {
        let (x, colour) = (LEFT + 130.0 * s as f64, COLOURS[s % COLOURS.len()]);
        let _ = writeln!(svg, "<rect x=\"{x}\" y=\"28\" width=\"12\" height=\"12\" fill=\"{colour}\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"38\">{name}</text>", x + 18.0);
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_values_have_higher_bars() {
        let groups = [("Q1".to_string(), vec![0.1, 10.0]), ("Q2".to_string(), vec![0.0, 1.0])];
        let svg = bars("t", "s", &["a", "b"], &groups);
        let heights: Vec<f64> = svg
            .lines()
            .filter(|l| l.starts_with("<rect x=") && l.contains("height=\"") && !l.contains("height=\"12\""))
            .map(|l| l.split("height=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(heights.len(), 3, "{svg}");
        assert!(heights[0] < heights[2] && heights[2] < heights[1], "{heights:?}");
        assert!(svg.contains(">0.1<") && svg.contains(">10<"));
    }
}
