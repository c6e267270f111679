//! Flow from one picture to another.

use std::{io::Write, path::Path};

use perceiverflow::{
    Error, Result,
    formats::{write_beside, write_flow},
    media::Picture,
    render::{FlowStyle, draw_flow},
};

use crate::{model::FlowModelArguments, output::check_file};

/// What to do.
pub(super) struct Job<'a> {
    pub(super) first: &'a Path,
    pub(super) second: &'a Path,
    pub(super) output: Option<&'a Path>,
    pub(super) picture: Option<&'a Path>,
    pub(super) overwrite: bool,
    pub(super) style: FlowStyle,
    pub(super) model: &'a FlowModelArguments,
}

pub(super) fn run(job: &Job<'_>) -> Result<()> {
    for path in job.output.iter().chain(&job.picture) {
        check_file(path, job.overwrite, &[job.first, job.second])?;
    }
    for (path, accepted) in [(job.output, &["flo", "png"][..]), (job.picture, &["png"])] {
        let Some(path) = path else { continue };
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if !accepted.iter().any(|accepted| extension == *accepted) {
            return Err(Error::format(path, format!("accepted is a name that ends in .{}", accepted.join(" or ."))));
        }
    }
    let (first, second) = (Picture::open(job.first)?, Picture::open(job.second)?);
    let size = |picture: &Picture| format!("{}x{}", picture.width(), picture.height());
    if size(&first) != size(&second) {
        let reason = format!("its size {} differs from the {} of {}", size(&second), size(&first), job.first.display());
        return Err(Error::format(job.second, reason));
    }
    let fields = job.model.open()?.estimate(&[(&first, &second)], job.model.tiling())?;
    for field in &fields {
        if let Some(path) = job.output {
            write_flow(path, field)?;
        }
        if let Some(path) = job.picture {
            let mut drawn = first.clone();
            draw_flow(&mut drawn, field, &job.style)?;
            write_beside(path, |file| file.write_all(&drawn.to_png()))?;
        }
    }
    Ok(())
}
