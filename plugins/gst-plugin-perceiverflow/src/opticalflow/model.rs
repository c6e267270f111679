//! The flow model that elements share, with the worker that runs it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use perceiverflow::{
    Result,
    engine::WorkerOptions,
    media::{FlowField, FramePair, Picture, TileGrid},
    tasks::{OpticalFlow, Tiling},
};

use crate::models::{self, Key, ModelWorker, Registry, SharedModel};

static MODELS: Registry<FlowModel> = Registry::new();

/// What is asked of the model.
#[derive(Debug)]
pub(crate) struct FlowQuestion {
    pub(super) pair: FramePair,
    pub(super) tiling: Tiling,
}

/// A loaded flow model.
#[derive(Debug)]
pub(crate) struct FlowModel {
    key: Key,
    tile: (usize, usize),
    warm_up: Duration,
    worker: ModelWorker<Self>,
}

impl SharedModel for FlowModel {
    type Question = FlowQuestion;
    type Answer = Arc<FlowField>;
    const FORM: &'static str = "train_size";

    fn registry() -> &'static Registry<Self> {
        &MODELS
    }

    fn load(key: &Key, options: &WorkerOptions) -> Result<Self> {
        let task = OpticalFlow::open(&key.model, key.device, key.precision)?;
        let (width, height) = task.tile();
        let black = Picture::from_fn(width, height, |_, _| [0; 3]);
        let start = Instant::now();
        task.estimate(&[(&black, &black)], Tiling::Fit)?;
        let warm_up = start.elapsed();
        let hash = task.hash().into();
        let ask = move |questions: &[&FlowQuestion]| answer(&task, questions);
        let worker = models::spawn::<Self>(options, hash, ask)?;
        Ok(Self { key: key.clone(), tile: (width, height), warm_up, worker })
    }

    fn key(&self) -> &Key {
        &self.key
    }

    fn worker(&self) -> &ModelWorker<Self> {
        &self.worker
    }

    fn form(&self) -> String {
        let (width, height) = self.tile;
        format!("{width}x{height}")
    }
}

impl FlowModel {
    /// Refuses an overlap that the model's tile does not take.
    ///
    /// # Errors
    /// When tiles would not advance.
    pub(super) fn check(&self, tiling: Tiling) -> Result<()> {
        match tiling {
            Tiling::Native { overlap } => TileGrid::new(self.tile, self.tile, overlap).map(drop),
            Tiling::Fit => Ok(()),
        }
    }

    /// What one window of this size takes, reckoned from the tile of the warm-up.
    pub(super) fn expected(&self, size: (usize, usize), tiling: Tiling) -> Duration {
        let grid_size = (size.0.max(self.tile.0), size.1.max(self.tile.1));
        let tiles = match tiling {
            Tiling::Native { overlap } => TileGrid::new(grid_size, self.tile, overlap).map_or(1, |grid| grid.tiles().count()),
            Tiling::Fit => 1,
        };
        self.warm_up * u32::try_from(tiles).unwrap_or(u32::MAX)
    }
}

/// One model call for each tiling: elements that share a model may differ there.
fn answer(task: &OpticalFlow, questions: &[&FlowQuestion]) -> Result<Vec<Arc<FlowField>>> {
    let mut fields: Vec<Option<Arc<FlowField>>> = vec![None; questions.len()];
    let mut open: Vec<usize> = (0..questions.len()).collect();
    while let Some(tiling) = open.first().map(|&first| questions[first].tiling) {
        let (group, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|&at| questions[at].tiling == tiling);
        open = others;
        let pairs: Vec<(&Picture, &Picture)> =
            group.iter().map(|&at| (&*questions[at].pair.first, &*questions[at].pair.second)).collect();
        group.iter().zip(task.estimate(&pairs, tiling)?).for_each(|(&at, field)| fields[at] = Some(Arc::new(field)));
    }
    Ok(fields.into_iter().flatten().collect())
}
