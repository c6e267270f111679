//! What was measured, for people and for programs.

use std::time::Duration;

use perceiverflow::perceiver::{Cost, Stage};
use serde_json::{Value, json};

/// A model's calls.
pub(super) struct Report {
    pub(super) model: String,
    pub(super) device: String,
    pub(super) precision: String,
    pub(super) threads: usize,
    pub(super) folded: bool,
    /// The stages of every call.
    pub(super) calls: Vec<Vec<(Stage, Duration)>>,
    /// In the published form, and in the one that was called.
    pub(super) costs: Option<[Cost; 2]>,
    /// Of a matrix product, in floating-point operations in a second.
    pub(super) peak: f64,
    /// Bytes after the calls, before the products that were timed.
    pub(super) memory: Option<u64>,
}

/// A stage, or all of them.
struct Row {
    name: &'static str,
    seconds: f64,
    /// In the published form, and in the one that was called.
    flop: Option<[f64; 2]>,
}

impl Report {
    /// The stages that take time or work, and all together.
    fn rows(&self) -> Vec<Row> {
        let flop = |stage: Stage| self.costs.map(|costs| costs.map(|cost| of_stage(&cost, stage)));
        let median_of = |stage: Stage| {
            let times =
                self.calls.iter().map(|call| call.iter().filter(|(s, _)| *s == stage).map(|(_, time)| time.as_secs_f64()).sum());
            median(times.collect())
        };
        let gone_through = |stage: &Stage| self.calls.iter().flatten().any(|(s, _)| s == stage);
        let mut rows: Vec<Row> = Stage::ALL
            .into_iter()
            .filter(gone_through)
            .map(|stage| Row { name: stage.name(), seconds: median_of(stage), flop: flop(stage) })
            .collect();
        rows.push(Row { name: "total", seconds: self.median(), flop: self.costs.map(|costs| costs.map(|cost| cost.total())) });
        rows
    }

    fn seconds(&self) -> Vec<f64> {
        self.calls.iter().map(|call| call.iter().map(|(_, time)| time.as_secs_f64()).sum()).collect()
    }

    fn median(&self) -> f64 {
        median(self.seconds())
    }

    fn share(&self, row: &Row) -> Option<f64> {
        row.flop.map(|[_, called]| called / row.seconds / self.peak).filter(|share| *share > 0.0)
    }

    pub(super) fn to_json(&self) -> Value {
        let stages = self.rows().into_iter().map(|row| {
            json!({
                "stage": row.name,
                "seconds": row.seconds,
                "gflop_published": row.flop.map(|[published, _]| published / 1e9),
                "gflop": row.flop.map(|[_, called]| called / 1e9),
                "share_of_peak": self.share(&row),
            })
        });
        json!({
            "model": self.model,
            "device": self.device,
            "precision": self.precision,
            "threads": self.threads,
            "folded": self.folded,
            "seconds": self.seconds(),
            "median_seconds": self.median(),
            "stages": stages.collect::<Vec<_>>(),
            "peak_gflop_per_second": self.peak / 1e9,
            "peak_memory_bytes": self.memory,
        })
    }

    /// A table; without times where only the work is `counted`.
    pub(super) fn to_list(&self, counted: bool) -> String {
        let form = if self.folded { "folded" } else { "as published" };
        let mut list = format!("{}, {}, {}, {} threads, {form}\n", self.model, self.device, self.precision, self.threads);
        let times = if counted { String::new() } else { format!(" {:>10} {:>8}", "ms", "of peak") };
        list += &format!("{:16} {:>12} {:>12}{times}\n", "stage", "published", "called");
        for row in self.rows() {
            let [published, called] =
                row.flop.map_or([String::new(), String::new()], |flop| flop.map(|flop| format!("{:.2}", flop / 1e9)));
            let share = self.share(&row).map_or(String::new(), |share| format!("{:.0} %", 100.0 * share));
            let times = if counted { String::new() } else { format!(" {:>10.1} {share:>8}", 1e3 * row.seconds) };
            list += &format!("{:16} {published:>12} {called:>12}{times}\n", row.name.replace('_', " "));
        }
        list += "published and called: 10^9 floating-point operations, a multiply-add being 2\n";
        if !counted {
            list += &format!("medians of {} calls; peak: {:.0} GFLOP/s in matrix products\n", self.calls.len(), self.peak / 1e9);
            if let Some(memory) = self.memory {
                list +=
                    &format!("peak memory: {:.2} GiB resident, mapped weights included\n", memory as f64 / f64::from(1 << 30));
            }
        }
        list
    }
}

fn of_stage(cost: &Cost, stage: Stage) -> f64 {
    match stage {
        Stage::Preprocess => cost.preprocess,
        Stage::EncoderCross => cost.encoder_cross,
        Stage::SelfAttention => cost.self_attention,
        Stage::Decoder => cost.decoder,
        Stage::Postprocess => 0.0,
    }
}

/// The middle one, or the mean of the two in the middle; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.get(values.len() / 2), values.get(values.len().wrapping_sub(1) / 2)) {
        (Some(upper), Some(lower)) => (upper + lower) / 2.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn a_stage_has_its_share_of_the_peak() {
        let cost = |decoder: f64| Cost { preprocess: 0.0, encoder_cross: 0.0, self_attention: 0.0, decoder, example: None };
        let report = Report {
            model: "m".into(),
            device: "cpu".into(),
            precision: "f32".into(),
            threads: 1,
            folded: true,
            calls: vec![vec![(Stage::Decoder, Duration::from_millis(500))]; 3],
            costs: Some([cost(8e9), cost(1e9)]),
            peak: 4e9,
            memory: None,
        };
        let json = report.to_json();
        // 1 GFLOP in half a second, where 4 in a second are possible.
        assert_eq!(json["stages"][0]["stage"], "decoder");
        assert_eq!(json["stages"][0]["gflop_published"], 8.0);
        assert!((json["stages"][0]["share_of_peak"].as_f64().unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(json["stages"].as_array().unwrap().len(), 2);
    }
}
