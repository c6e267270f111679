//! The worker of a multimodal model: windows to latents, latents to whatever is asked of them, several streams in one call.

use std::sync::Arc;

use super::{Ticket, Worker, WorkerOptions, WorkerStats};
use crate::{
    error::{Error, Result},
    tasks::{Autoencode, ClipInputs, Head, Latents},
};

/// What is asked of a multimodal model.
#[derive(Clone, Debug)]
pub enum Question {
    /// A window's latents.
    Encode(Arc<ClipInputs>),
    /// A head's numbers, of latents.
    Decode(Latents, Head),
    /// A head's numbers, of a window whose latents nobody else needs.
    Ask(Arc<ClipInputs>, Head),
}

impl Question {
    /// The answers to several questions in their order: all windows encoded in one call, then one call for each head.
    ///
    /// # Errors
    /// What [`Autoencode::encode`] and [`Autoencode::decode`] say.
    pub fn answer(task: &Autoencode, questions: &[&Self]) -> Result<Vec<Answer>> {
        let windows: Vec<&ClipInputs> = questions.iter().filter_map(|question| question.window()).collect();
        let mut encoded = task.encode(&windows)?.into_iter();
        let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
        let mut heads: Vec<(Head, Vec<(usize, Latents)>)> = Vec::new();
        for (at, question) in questions.iter().enumerate() {
            let latents = match question {
                Self::Decode(latents, _) => Some(latents.clone()),
                Self::Encode(_) | Self::Ask(..) => encoded.next(),
            };
            let Some(latents) = latents else { continue };
            match question.head() {
                None => answers[at] = Some(Answer::Latents(latents)),
                Some(head) => match heads.iter_mut().find(|(known, _)| *known == head) {
                    Some((_, asked)) => asked.push((at, latents)),
                    None => heads.push((head, vec![(at, latents)])),
                },
            }
        }
        for (head, asked) in heads {
            let latents: Vec<&Latents> = asked.iter().map(|(_, latents)| latents).collect();
            let values = task.decode(&latents, head)?;
            asked.iter().zip(values).for_each(|((at, _), values)| answers[*at] = Some(Answer::Values(values)));
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// The window that is to be encoded for the answer.
    fn window(&self) -> Option<&ClipInputs> {
        match self {
            Self::Encode(window) | Self::Ask(window, _) => Some(window),
            Self::Decode(..) => None,
        }
    }

    /// The head whose numbers are the answer; none where that is the latents.
    fn head(&self) -> Option<Head> {
        match self {
            Self::Encode(_) => None,
            Self::Decode(_, head) | Self::Ask(_, head) => Some(*head),
        }
    }
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
        let worker = Worker::spawn(options, move |questions: &[Question]| {
            Question::answer(&model, &questions.iter().collect::<Vec<_>>())
        })?;
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
