//! What was measured, for people and for programs.

use std::fmt::Write;

use perceiverflow::tasks::FlowError;
use serde_json::{Value, json};

/// One pair.
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Over the pixels whose flow is known.
    pub(super) all: Score,
    /// Over those of them that are visible in both pictures, where that is known.
    pub(super) visible: Option<Score>,
}

/// The model beside no motion at all.
#[derive(Clone, Copy)]
pub(super) struct Score {
    pub(super) estimate: FlowError,
    pub(super) zero: FlowError,
}

/// All pairs and their mean, in which each pair counts alike.
pub(super) struct Report<'a> {
    model: &'a str,
    hash: &'a str,
    pairs: Vec<Measured>,
    mean: Score,
}

impl Score {
    /// The model's mean error as a share of that of no motion.
    fn ratio(&self) -> f64 {
        self.estimate.epe / self.zero.epe
    }

    fn json(&self) -> Value {
        // Where nothing moves there is nothing to divide by.
        let ratio = Some(self.ratio()).filter(|ratio| ratio.is_finite());
        json!({ "estimate": self.estimate, "zero": self.zero, "epe_over_zero_epe": ratio })
    }
}

impl<'a> Report<'a> {
    /// A report on one pair or more.
    pub(super) fn new(model: &'a str, hash: &'a str, pairs: Vec<Measured>) -> Self {
        let mean = Score { estimate: mean(&pairs, |score| &score.estimate), zero: mean(&pairs, |score| &score.zero) };
        Self { model, hash, pairs, mean }
    }

    pub(super) fn json(&self) -> String {
        let pair = |pair: &Measured| {
            let mut entry = json!({ "name": pair.name, "width": pair.width, "height": pair.height, "all": pair.all.json() });
            if let Some(visible) = &pair.visible {
                entry["visible"] = visible.json();
            }
            entry
        };
        let pairs: Vec<Value> = self.pairs.iter().map(pair).collect();
        format!("{:#}\n", json!({ "model": self.model, "hash": self.hash, "pairs": pairs, "mean": self.mean.json() }))
    }

    pub(super) fn table(&self) -> String {
        let mut table =
            Table { name: self.pairs.iter().map(|pair| pair.name.len()).max().unwrap_or(0).max(4), text: String::new() };
        table.line("pair", "flow", ["pixels", "EPE", "median", "> 1 px", "> 3 px", "Fl-all", "EPE / zero"].map(String::from));
        for pair in &self.pairs {
            table.score(&pair.name, "", &pair.all);
            if let Some(visible) = &pair.visible {
                table.score("", ", visible", visible);
            }
        }
        table.score("mean", "", &self.mean);
        table.text
    }
}

struct Table {
    name: usize,
    text: String,
}

impl Table {
    fn score(&mut self, name: &str, which: &str, score: &Score) {
        self.error(name, &format!("model{which}"), &score.estimate, &format!("{:.3}", score.ratio()));
        self.error("", &format!("zero{which}"), &score.zero, "");
    }

    fn error(&mut self, name: &str, flow: &str, error: &FlowError, ratio: &str) {
        let share = |share: f64| format!("{:.1} %", 100.0 * share);
        let pixels = |pixels: f64| format!("{pixels:.3}");
        let shares = [share(error.over_1px), share(error.over_3px), share(error.fl_all)];
        let [over_1px, over_3px, fl_all] = shares;
        let cells =
            [error.pixels.to_string(), pixels(error.epe), pixels(error.median), over_1px, over_3px, fl_all, ratio.to_owned()];
        self.line(name, flow, cells);
    }

    fn line(&mut self, name: &str, flow: &str, cells: [String; 7]) {
        let mut line = format!("{name:width$}  {flow:14}", width = self.name);
        for cell in cells {
            line += &format!(" {cell:>10}");
        }
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{}", line.trim_end());
    }
}

/// The mean of every measure over the pairs, and the sum of the pixels.
fn mean(pairs: &[Measured], which: fn(&Score) -> &FlowError) -> FlowError {
    let errors = || pairs.iter().map(|pair| which(&pair.all));
    let of = |measure: fn(&FlowError) -> f64| errors().map(measure).sum::<f64>() / pairs.len() as f64;
    FlowError {
        pixels: errors().map(|error| error.pixels).sum(),
        epe: of(|error| error.epe),
        median: of(|error| error.median),
        over_1px: of(|error| error.over_1px),
        over_3px: of(|error| error.over_3px),
        fl_all: of(|error| error.fl_all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(epe: f64) -> FlowError {
        FlowError { pixels: 100, epe, median: epe / 2.0, over_1px: 0.25, over_3px: 0.125, fl_all: 0.5 }
    }

    fn report() -> Report<'static> {
        let measured = |name: &str, epe, zero| Measured {
            name: name.into(),
            width: 20,
            height: 5,
            all: Score { estimate: error(epe), zero: error(zero) },
            visible: None,
        };
        Report::new("builtin:flow", "abc", vec![measured("panda", 1.0, 4.0), measured("coffee", 2.0, 0.0)])
    }

    #[test]
    fn pairs_count_alike_in_the_mean() {
        let value: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(value["mean"]["estimate"]["epe"], 1.5);
        assert_eq!(value["mean"]["estimate"]["pixels"], 200);
        assert_eq!(value["mean"]["epe_over_zero_epe"], 0.75);
        assert_eq!(value["pairs"][1]["all"]["epe_over_zero_epe"], Value::Null);
    }

    #[test]
    fn the_table_has_two_lines_for_each_pair() {
        let table = report().table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 7);
        assert!(lines[1].starts_with("panda   model") && lines[1].ends_with("0.250"), "{table}");
        assert!(lines[2].contains("zero") && lines[2].contains("4.000"), "{table}");
    }
}
