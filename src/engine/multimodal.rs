//! The worker of a multimodal model: windows to latents, latents to whatever is asked of them, several streams in one call.

use std::sync::Arc;

use super::{Ticket, Worker, WorkerOptions, WorkerStats};
use crate::{
    error::{Error, Result},
    tasks::{Autoencode, ClipInputs, Head, Latents},
};

/// What is asked of the model.
#[derive(Clone, Debug)]
enum Question {
    Encode(Arc<ClipInputs>),
    Decode(Latents, Head),
}

/// What a multimodal model answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To a window: its latents.
    Latents(Latents),
    /// To latents and a head: the numbers of [`Autoencode::decode`].
    Values(Vec<f32>),
}

impl Answer {
    /// The latents of a window.
    ///
    /// # Errors
    /// When the question was for a head's numbers.
    pub fn latents(self) -> Result<Latents> {
        match self {
            Self::Latents(latents) => Ok(latents),
            Self::Values(values) => Err(Error::tensor("answer", values.len(), "latents")),
        }
    }

    /// The numbers of a head.
    ///
    /// # Errors
    /// When the question was for latents.
    pub fn values(self) -> Result<Vec<f32>> {
        match self {
            Self::Values(values) => Ok(values),
            Self::Latents(latents) => Err(Error::tensor("answer", latents.dims(), "the numbers of a head")),
        }
    }
}

/// One loaded multimodal model and its thread. Windows that wait together are encoded in one call, latents that wait for the same head
/// decoded in one.
#[derive(Debug)]
pub struct MultimodalWorker {
    task: Arc<Autoencode>,
    worker: Worker<Question, Answer>,
}

impl MultimodalWorker {
    /// Starts the thread.
    ///
    /// # Errors
    /// What [`Worker::spawn`] says.
    pub fn spawn(task: Arc<Autoencode>, options: &WorkerOptions) -> Result<Self> {
        let model = task.clone();
        let worker = Worker::spawn(options, move |questions: &[Question]| answer(&model, questions))?;
        Ok(Self { task, worker })
    }

    /// The model, for what needs no thread: its inputs' shapes, its labels' names, its answers as pictures.
    pub fn task(&self) -> &Arc<Autoencode> {
        &self.task
    }

    /// Asks for a window's latents; waits while the queue is full.
    ///
    /// # Errors
    /// When the worker has ended.
    pub fn encode(&self, window: Arc<ClipInputs>) -> Result<Ticket<Answer>> {
        self.worker.submit(Question::Encode(window))
    }

    /// Asks a head about latents; waits while the queue is full.
    ///
    /// # Errors
    /// When the worker has ended.
    pub fn decode(&self, latents: Latents, head: Head) -> Result<Ticket<Answer>> {
        self.worker.submit(Question::Decode(latents, head))
    }

    /// What the worker has done so far, questions of both kinds counted as windows.
    pub fn stats(&self) -> WorkerStats {
        self.worker.stats()
    }
}

/// The answers to a batch in its order: all windows in one call, then one call for each head.
fn answer(task: &Autoencode, questions: &[Question]) -> Result<Vec<Answer>> {
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    let mut windows = Vec::new();
    let mut heads: Vec<(Head, Vec<(usize, &Latents)>)> = Vec::new();
    for (at, question) in questions.iter().enumerate() {
        match question {
            Question::Encode(window) => windows.push((at, &**window)),
            Question::Decode(latents, head) => match heads.iter_mut().find(|(known, _)| known == head) {
                Some((_, asked)) => asked.push((at, latents)),
                None => heads.push((*head, vec![(at, latents)])),
            },
        }
    }
    let (places, inputs): (Vec<usize>, Vec<&ClipInputs>) = windows.into_iter().unzip();
    let latents = task.encode(&inputs)?;
    places.into_iter().zip(latents).for_each(|(at, latents)| answers[at] = Some(Answer::Latents(latents)));
    for (head, asked) in heads {
        let (places, latents): (Vec<usize>, Vec<&Latents>) = asked.into_iter().unzip();
        let values = task.decode(&latents, head)?;
        places.into_iter().zip(values).for_each(|(at, values)| answers[at] = Some(Answer::Values(values)));
    }
    Ok(answers.into_iter().flatten().collect())
}
