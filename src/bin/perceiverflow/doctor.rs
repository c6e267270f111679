//! `perceiverflow doctor`: what works here, and what to do about the rest.

use std::process::{Command, ExitCode};

use clap::Args;
use perceiverflow::{
    Error, Result, builtin,
    checkpoint::{Checkpoint, hub::Hub},
    compute::DeviceChoice,
};
use serde_json::{Value, json};

use crate::output;

/// Tell what works on this machine and how to get the rest: devices, FFmpeg, GStreamer, models.
///
/// Exit code 0 when all that the program itself needs is there, 1 otherwise. GPUs, GStreamer and the plugin are looked for, but not
/// needed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow doctor
  perceiverflow doctor --json")]
pub(crate) struct Arguments {
    /// Print JSON instead of a list
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
struct Finding {
    about: &'static str,
    what: String,
    state: State,
    /// The version, the reason, and how to help it.
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    /// Not there, and not needed.
    Absent,
    /// Not there, and the program cannot do without.
    Missing,
}

impl Arguments {
    /// Does the work.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut findings = devices();
        findings.extend(libav());
        findings.extend(gstreamer());
        findings.extend(models());
        findings.extend(hub());
        let works = findings.iter().all(|finding| finding.state != State::Missing);
        output::report(&if self.json { as_json(&findings, works) } else { as_list(&findings, works) })?;
        Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Finding {
    fn new(about: &'static str, what: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self { about, what: what.into(), state, detail: detail.into() }
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Absent => "absent",
            Self::Missing => "missing",
        }
    }
}

fn devices() -> Vec<Finding> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let features = match processor_features().join(", ") {
        none if none.is_empty() => "no vector units that matter here".to_owned(),
        some => some,
    };
    let mut findings = vec![Finding::new("device", "cpu", State::Fine, format!("{threads} threads; {features}"))];
    for device in [DeviceChoice::Cuda(0), DeviceChoice::Metal] {
        findings.push(match device.open() {
            Ok(_) => Finding::new("device", device.to_string(), State::Fine, "usable"),
            Err(Error::Device { reason, .. }) => Finding::new("device", device.to_string(), State::Absent, reason),
            Err(error) => Finding::new("device", device.to_string(), State::Absent, error.to_string()),
        });
    }
    findings
}

/// What the matrix products can use of the processor.
fn processor_features() -> Vec<&'static str> {
    let mut features = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
            ("FMA", std::arch::is_x86_feature_detected!("fma")),
            ("AVX-512", std::arch::is_x86_feature_detected!("avx512f")),
            ("AVX-512 bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
        ];
        features.extend(known.iter().filter(|(_, there)| *there).map(|(name, _)| *name));
    }
    #[cfg(target_arch = "aarch64")]
    {
        let known = [
            ("NEON", std::arch::is_aarch64_feature_detected!("neon")),
            ("fp16", std::arch::is_aarch64_feature_detected!("fp16")),
            ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
        ];
        features.extend(known.iter().filter(|(_, there)| *there).map(|(name, _)| *name));
    }
    features
}

#[cfg(feature = "video-file")]
fn libav() -> Vec<Finding> {
    let libav = perceiverflow::video_file::Libav::probe();
    let there = |name: &str| libav.encoders.iter().any(|&(encoder, there)| encoder == name && there);
    let mut findings: Vec<Finding> =
        libav.versions.iter().map(|(name, version)| Finding::new("FFmpeg", *name, State::Fine, version)).collect();
    for &(name, is_there) in &libav.encoders {
        let (state, detail) = match name {
            _ if is_there => (State::Fine, "encoder"),
            "libx264" if there("mpeg4") => (State::Absent, "no H.264: mp4, mov and mkv get MPEG-4 part 2 instead"),
            "libx264" | "aac" => (State::Missing, "no mp4 can be written; install FFmpeg's libraries with this encoder"),
            "mpeg4" => (State::Absent, "only used where libx264 is missing"),
            _ => (State::Absent, "no webm can be written"),
        };
        findings.push(Finding::new("FFmpeg", name, state, detail));
    }
    findings
}

#[cfg(not(feature = "video-file"))]
fn libav() -> Vec<Finding> {
    vec![Finding::new("FFmpeg", "libav", State::Absent, "this build reads no video files; build with --features video-file")]
}

fn gstreamer() -> Vec<Finding> {
    let inspect = |argument: &str| Command::new("gst-inspect-1.0").arg(argument).output().ok();
    let Some(version) = inspect("--version").filter(|output| output.status.success()) else {
        let packages = "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav";
        let help = format!("gst-inspect-1.0 was not found; on Debian and Ubuntu: sudo apt install {packages}");
        return vec![Finding::new("GStreamer", "gst-inspect-1.0", State::Absent, help)];
    };
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.lines().find_map(|line| line.strip_prefix("GStreamer ")).unwrap_or("of unknown version").to_owned();
    let mut findings = vec![Finding::new("GStreamer", "gst-inspect-1.0", State::Fine, version)];
    findings.push(match inspect("perceiverflow").filter(|output| output.status.success()) {
        Some(page) => {
            let page = String::from_utf8_lossy(&page.stdout);
            let field =
                |name: &str| page.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim).map(str::to_owned);
            let detail = [field("Version"), field("Filename")].into_iter().flatten().collect::<Vec<_>>().join(", ");
            Finding::new("GStreamer", "plugin perceiverflow", State::Fine, detail)
        }
        None => {
            let help = "not found; build it with `cargo build --release -p gst-plugin-perceiverflow`, then `export \
                        GST_PLUGIN_PATH=$PWD/target/release`";
            Finding::new("GStreamer", "plugin perceiverflow", State::Absent, help)
        }
    });
    findings
}

fn models() -> Vec<Finding> {
    let mut findings = Vec::new();
    for model in builtin::MODELS {
        let name = format!("builtin:{}", model.name);
        findings.push(match Checkpoint::open(&name) {
            Ok(opened) => Finding::new("model", name, State::Fine, format!("SHA-256 {}", opened.hash())),
            Err(error) => Finding::new("model", name, State::Missing, error.to_string()),
        });
    }
    findings
}

/// The cache of models, and as whom they would be fetched.
fn hub() -> Vec<Finding> {
    const ABOUT: &str = "Hugging Face";
    let hub = Hub::from_environment();
    let models = hub.models().len();
    let state = if hub.cache.is_dir() { State::Fine } else { State::Absent };
    let mut findings = vec![Finding::new(ABOUT, "cache", state, format!("{}, Perceiver models: {models}", hub.cache.display()))];
    findings.push(match hub.token {
        Some(_) => Finding::new(ABOUT, "token", State::Fine, "found"),
        None => {
            let path = hub.token_path.display();
            Finding::new(
                ABOUT,
                "token",
                State::Absent,
                format!("neither HF_TOKEN nor {path}; only private and gated models need one"),
            )
        }
    });
    let (state, access) = match (cfg!(feature = "hub"), hub.is_offline) {
        (true, false) => (State::Fine, "asked only for models that are not in the cache"),
        (true, true) => (State::Absent, "left alone: HF_HUB_OFFLINE is set"),
        (false, _) => (State::Absent, "this build fetches nothing; build with --features hub"),
    };
    findings.push(Finding::new(ABOUT, hub.endpoint, state, access));
    findings
}

fn as_json(findings: &[Finding], works: bool) -> String {
    let entries: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({ "about": finding.about, "what": finding.what, "state": finding.state.word(), "detail": finding.detail })
        })
        .collect();
    format!("{:#}\n", json!({ "version": env!("CARGO_PKG_VERSION"), "works": works, "findings": entries }))
}

fn as_list(findings: &[Finding], works: bool) -> String {
    let mut list = format!("perceiverflow {}\n", env!("CARGO_PKG_VERSION"));
    let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
    let mut about = "";
    for finding in findings {
        if finding.about != about {
            about = finding.about;
            list += &format!("\n{about}\n");
        }
        list += &format!("  {:7}  {:width$}  {}\n", finding.state.word(), finding.what, finding.detail);
    }
    list += if works { "\nThe program has all it needs.\n" } else { "\nSomething the program needs is missing.\n" };
    list
}
