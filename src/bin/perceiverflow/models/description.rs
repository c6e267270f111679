//! What a model is, for people and for programs.

use perceiverflow::{checkpoint::Checkpoint, perceiver::Cost};
use serde_json::{Value, json};

use super::window::{Window, picture};

/// Labels that a list shows unasked.
const FIRST_LABELS: usize = 5;

/// A checkpoint and what follows from its configuration.
pub(super) struct Description<'a> {
    model: &'a Checkpoint,
    pub(super) architecture: &'a str,
    window: Option<Window>,
    cost: Option<Cost>,
}

impl<'a> Description<'a> {
    pub(super) fn new(model: &'a Checkpoint) -> Self {
        let architecture = model.config().architectures.first().map_or("none named", String::as_str);
        Self {
            window: Window::of(model, architecture),
            cost: Cost::of(model.config(), architecture, picture(model)),
            architecture,
            model,
        }
    }

    /// The names of the classes in the order of their numbers.
    fn labels(&self) -> Vec<&'a str> {
        let mut labels: Vec<(&String, &String)> = self.model.config().id2label.iter().flatten().collect();
        labels.sort_by_key(|(number, _)| number.parse::<usize>().unwrap_or(usize::MAX));
        labels.into_iter().map(|(_, label)| label.as_str()).collect()
    }

    pub(super) fn to_json(&self) -> Value {
        let files = self.model.files();
        let files: Vec<Value> = files.iter().map(|(name, size)| json!({ "name": name, "size": size })).collect();
        json!({
            "name": self.model.name(),
            "architecture": self.model.config().architectures.first(),
            "window": self.window.map(Window::to_json),
            "parameters": self.model.parameters(),
            "gflop": self.cost.map(|cost| json!({
                "preprocess": giga(cost.preprocess),
                "encoder_cross": giga(cost.encoder_cross),
                "self_attention": giga(cost.self_attention),
                "decoder": giga(cost.decoder),
                "total": giga(cost.total()),
                "published_example": cost.example.map(giga),
            })),
            "labels": self.labels(),
            "sha256": self.model.hash(),
            "folder": self.model.folder(),
            "files": files,
        })
    }

    pub(super) fn to_list(&self, all_labels: bool) -> String {
        let mut list = format!("{}\n", self.model.name());
        let mut row = |what: &str, value: &str| list += &format!("  {what:12}  {value}\n");
        row("architecture", self.architecture);
        if let Some(window) = self.window {
            row("one call", &window.to_string());
        }
        if let Some(cost) = self.cost {
            row("cost", &cost_of_a_call(&cost));
        }
        row("parameters", &self.model.parameters().to_string());
        row("SHA-256", self.model.hash());
        if let Some(folder) = self.model.folder() {
            row("folder", &folder.display().to_string());
        }
        for (number, (name, size)) in self.model.files().iter().enumerate() {
            row(if number == 0 { "files" } else { "" }, &format!("{name}, {}", bytes(*size)));
        }
        let labels = self.labels();
        if !labels.is_empty() {
            row("labels", &labels.len().to_string());
        }
        let shown = if all_labels { labels.len() } else { FIRST_LABELS.min(labels.len()) };
        for (number, label) in labels[..shown].iter().enumerate() {
            row(&format!("{number:>12}"), label);
        }
        if shown < labels.len() {
            row("", "… (--labels lists all)");
        }
        list
    }
}

fn cost_of_a_call(cost: &Cost) -> String {
    let parts = [
        ("preprocessing", cost.preprocess),
        ("encoder cross-attention", cost.encoder_cross),
        ("self-attention", cost.self_attention),
        ("decoder", cost.decoder),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(_, flop)| *flop > 0.0).map(|(name, flop)| format!("{name} {}", rounded(*flop))).collect();
    let example = cost.example.map(|flop| format!("; {} as the published example runs it", rounded(flop))).unwrap_or_default();
    format!("{} GFLOP ({}){example}", rounded(cost.total()), parts.join(", "))
}

fn giga(flop: f64) -> f64 {
    flop / 1e9
}

/// GFLOP with about three digits.
fn rounded(flop: f64) -> String {
    let digits = match giga(flop) {
        size if size >= 100.0 => 0,
        size if size >= 1.0 => 1,
        _ => 3,
    };
    format!("{:.digits$}", giga(flop))
}

/// A size in the unit that fits.
pub(super) fn bytes(size: u64) -> String {
    indicatif::DecimalBytes(size).to_string()
}
