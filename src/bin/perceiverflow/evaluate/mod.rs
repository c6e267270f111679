//! `perceiverflow evaluate`: models against known results.

#[cfg(feature = "train")]
mod av;
#[cfg(all(feature = "train", feature = "video-file"))]
mod classify;
#[cfg(all(feature = "train", feature = "video-file"))]
mod clean;
#[cfg(feature = "train")]
mod ffmpeg;
mod pairs;
mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use perceiverflow::{
    Error, Result,
    formats::read_flow,
    media::{FlowField, Picture},
    tasks::{FlowError, OpticalFlow, Tiling},
};

use self::{
    pairs::Pair,
    report::{Measured, Report, Score},
};
use crate::{model::FlowModelArguments, output};

/// Measure a model against known results.
#[derive(Debug, Subcommand)]
pub(crate) enum Arguments {
    Flow(FlowArguments),
    #[cfg(feature = "train")]
    Av(av::AvArguments),
    #[cfg(all(feature = "train", feature = "video-file"))]
    Classify(classify::ClassifyArguments),
}

/// Measure an optical-flow model against known flow, beside the flow that is zero everywhere.
///
/// For each pair and in the mean: end-point error (EPE, in pixels), its median, the share of pixels off by more than 1 px and 3 px, and
/// KITTI's Fl-all (more than 3 px and more than 5 % of the true length), over the pixels whose flow is known, and again over those
/// visible in both pictures where NAME_valid.png tells.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  perceiverflow evaluate flow --pairs pairs/
  perceiverflow evaluate flow --pairs list.txt --model my-flow --json")]
pub(crate) struct FlowArguments {
    /// A folder with NAME_1.png (or .jpg), NAME_2.png and NAME.flo (or NAME.png in KITTI's layout), and perhaps NAME_valid.png, not
    /// black where a pixel is visible in both; or a text file with first picture, second picture, flow and perhaps the mask on each
    /// line, relative to it
    #[arg(long, value_name = "DIR|LIST")]
    pairs: PathBuf,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: FlowModelArguments,
}

impl Arguments {
    /// Does the work.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Flow(arguments) => arguments.run(),
            #[cfg(feature = "train")]
            Self::Av(arguments) => arguments.run(),
            #[cfg(all(feature = "train", feature = "video-file"))]
            Self::Classify(arguments) => arguments.run(),
        }
    }
}

impl FlowArguments {
    fn run(&self) -> Result<()> {
        let pairs = pairs::find(&self.pairs)?;
        let model = self.model.open()?;
        let measured = pairs.iter().map(|pair| measure(&model, self.model.tiling(), pair)).collect::<Result<_>>()?;
        let report = Report::new(&self.model.model, model.hash(), measured);
        output::report(&if self.json { report.json() } else { report.table() })
    }
}

fn measure(model: &OpticalFlow, tiling: Tiling, pair: &Pair) -> Result<Measured> {
    let (first, second) = (Picture::open(&pair.first)?, Picture::open(&pair.second)?);
    let truth = read_flow(&pair.flow)?;
    pair.same_size(&pair.second, (second.width(), second.height()), (first.width(), first.height()))?;
    pair.same_size(&pair.flow, (truth.width(), truth.height()), (first.width(), first.height()))?;
    let visible = match &pair.visible {
        Some(path) => {
            let mask = Picture::open(path)?;
            pair.same_size(path, (mask.width(), mask.height()), (first.width(), first.height()))?;
            Some(mask.rgb().chunks_exact(3).map(|pixel| pixel != [0; 3]).collect::<Vec<bool>>())
        }
        None => None,
    };
    let estimate = model.estimate(&[(&first, &second)], tiling)?.remove(0);
    let still = FlowField::from_fn(truth.width(), truth.height(), |_, _| [0.0; 2]);
    let compare = |flow: &FlowField, mask: Option<&[bool]>| {
        FlowError::between(flow, &truth, mask).map_err(|error| Error::format(&pair.flow, error.to_string()))
    };
    let score = |mask| Ok::<_, Error>(Score { estimate: compare(&estimate, mask)?, zero: compare(&still, mask)? });
    Ok(Measured {
        name: pair.name.clone(),
        width: truth.width(),
        height: truth.height(),
        all: score(None)?,
        visible: visible.as_deref().map(|mask| score(Some(mask))).transpose()?,
    })
}
