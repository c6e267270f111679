//! One thread that owns a loaded model and answers windows of any number of streams, several in one call; or several threads that do, and
//! take from one queue.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::stats::{Record, WorkerStats};
use crate::{
    compute::Threads,
    error::{Error, Result},
};

/// How a worker gathers its batches.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// The model's name, for messages and the thread.
    pub name: String,
    /// Windows that may wait, over all streams; a further [`Worker::submit`] blocks.
    pub capacity: usize,
    /// Windows in one call at most, 1 or more.
    pub batch_size: usize,
    /// How long the first window of a batch waits for others.
    pub batch_timeout: Duration,
    /// What the calls compute on.
    pub threads: Threads,
}

/// A handle to the thread that owns a model, or to several. Windows `W` go in, results `R` come out. Dropping it ends the threads after the
/// windows already submitted.
#[derive(Debug)]
pub struct Worker<W, R> {
    options: WorkerOptions,
    jobs: Option<Sender<Job<W, R>>>,
    queue: Arc<Queue<W, R>>,
    threads: Vec<JoinHandle<()>>,
    record: Arc<Mutex<Record>>,
}

/// Where windows wait. Whoever gathers a batch holds it until the batch is full or its time is over: two that gather at once would each
/// get half of one.
type Queue<W, R> = Mutex<Receiver<Job<W, R>>>;

/// The claim to one window's result. Dropping it before the window's turn cancels the window.
#[derive(Debug)]
pub struct Ticket<R> {
    name: String,
    reply: Receiver<Result<R>>,
    _wanted: Arc<()>,
}

#[derive(Debug)]
struct Job<W, R> {
    window: W,
    reply: Sender<Result<R>>,
    wanted: Weak<()>,
}

impl<W: Send + 'static, R: Send + 'static> Worker<W, R> {
    /// Starts the thread. `call` answers one batch: as many results as windows, in their order. When a batch of several fails, each of its
    /// windows is tried alone, so that one stream's broken window does not fail another's. A panic inside `call` ends the worker and
    /// nothing else.
    ///
    /// # Errors
    /// When the batch size or capacity is 0, or the system refuses the thread.
    pub fn spawn(options: &WorkerOptions, call: impl FnMut(&[W]) -> Result<Vec<R>> + Send + 'static) -> Result<Self> {
        if options.batch_size == 0 {
            return Err(Error::option("batch-size", 0, "1 or more"));
        }
        if options.capacity == 0 {
            return Err(Error::option("capacity", 0, "1 or more"));
        }
        let (sender, receiver) = bounded(options.capacity);
        let mut worker = Self {
            options: options.clone(),
            jobs: Some(sender),
            queue: Arc::new(Mutex::new(receiver)),
            threads: Vec::new(),
            record: Arc::default(),
        };
        worker.add(options.threads.clone(), call)?;
        Ok(worker)
    }

    /// Starts another thread, which takes from the same queue: whoever is free takes the next batch. It computes on `threads`, which are its
    /// own; on those of another one it would wait until that ends.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub fn add(&mut self, threads: Threads, call: impl FnMut(&[W]) -> Result<Vec<R>> + Send + 'static) -> Result<()> {
        let Self { options, queue, record, .. } = &*self;
        let mut shift = Shift { queue: queue.clone(), call, record: record.clone(), options: options.clone() };
        let thread = std::thread::Builder::new()
            .name(format!("perceiver {}", options.name))
            .spawn(move || threads.run(move || shift.run()))
            .map_err(|e| Error::Stopped { model: options.name.clone(), reason: e.to_string() })?;
        self.threads.push(thread);
        Ok(())
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Hands a window over, waiting while the worker's queue is full.
    ///
    /// # Errors
    /// When the worker has ended.
    pub fn submit(&self, window: W) -> Result<Ticket<R>> {
        let wanted = Arc::new(());
        let (reply, receiver) = bounded(1);
        let job = Job { window, reply, wanted: Arc::downgrade(&wanted) };
        let name = &self.options.name;
        let jobs = self.jobs.as_ref().ok_or_else(|| stopped(name))?;
        jobs.send(job).map_err(|_| stopped(name))?;
        lock(&self.record).windows_in += 1;
        Ok(Ticket { name: name.clone(), reply: receiver, _wanted: wanted })
    }

    /// What the worker has done so far.
    pub fn stats(&self) -> WorkerStats {
        lock(&self.record).snapshot()
    }
}

impl<W, R> Drop for Worker<W, R> {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // The thread catches panics of the model; there is nothing to hear from it.
            let _ = thread.join();
        }
    }
}

impl<R> Ticket<R> {
    /// Waits for the result.
    ///
    /// # Errors
    /// What the model said, or that the worker has ended.
    pub fn wait(&self) -> Result<R> {
        self.reply.recv().unwrap_or_else(|_| Err(stopped(&self.name)))
    }

    /// The result if it is there already.
    ///
    /// # Errors
    /// As [`Ticket::wait`].
    pub fn try_wait(&self) -> Result<Option<R>> {
        match self.reply.try_recv() {
            Ok(result) => result.map(Some),
            Err(crossbeam_channel::TryRecvError::Empty) => Ok(None),
            Err(crossbeam_channel::TryRecvError::Disconnected) => Err(stopped(&self.name)),
        }
    }

    /// The channel on which the result arrives, for a `select!` that also listens for a flush.
    pub fn reply(&self) -> &Receiver<Result<R>> {
        &self.reply
    }
}

/// What the thread holds.
struct Shift<W, R, F> {
    queue: Arc<Queue<W, R>>,
    call: F,
    record: Arc<Mutex<Record>>,
    options: WorkerOptions,
}

impl<W, R, F: FnMut(&[W]) -> Result<Vec<R>>> Shift<W, R, F> {
    fn run(&mut self) {
        while let Some(batch) = self.gather() {
            if !batch.is_empty() && catch_unwind(AssertUnwindSafe(|| self.answer(batch))).is_err() {
                break;
            }
        }
        // After a panic windows may still wait, and more may come as long as the handle lives. Letting each go tells its ticket that the
        // worker has ended; a channel that nobody takes from would keep them, and their tickets would wait for ever.
        while lock(&self.queue).recv().is_ok() {}
    }

    /// The windows of one call: those that wait already and those that come before the timeout, without the cancelled. None when no more
    /// can come.
    fn gather(&self) -> Option<Vec<Job<W, R>>> {
        let jobs = lock(&self.queue);
        let mut batch = vec![jobs.recv().ok()?];
        let deadline = Instant::now() + self.options.batch_timeout;
        while batch.len() < self.options.batch_size {
            match jobs.recv_deadline(deadline) {
                Ok(job) => batch.push(job),
                Err(_) => break,
            }
        }
        drop(jobs);
        let all = batch.len();
        batch.retain(|job| job.wanted.strong_count() > 0);
        lock(&self.record).windows_dropped += (all - batch.len()) as u64;
        Some(batch)
    }

    fn answer(&mut self, batch: Vec<Job<W, R>>) {
        let (windows, replies): (Vec<W>, Vec<Sender<Result<R>>>) = batch.into_iter().map(|job| (job.window, job.reply)).unzip();
        match self.timed_call(&windows) {
            Ok(results) => replies.iter().zip(results).for_each(|(reply, result)| send(reply, Ok(result))),
            Err(error) if windows.len() == 1 => send(&replies[0], Err(error)),
            Err(_) => {
                for (reply, window) in replies.iter().zip(windows.chunks(1)) {
                    let result = self.timed_call(window).map(|mut results| results.remove(0));
                    send(reply, result);
                }
            }
        }
    }

    fn timed_call(&mut self, windows: &[W]) -> Result<Vec<R>> {
        let start = Instant::now();
        let results = (self.call)(windows)?;
        if results.len() != windows.len() {
            return Err(Error::tensor("results", results.len(), format!("{}, one for each window", windows.len())));
        }
        lock(&self.record).call(windows.len() as u64, start.elapsed());
        Ok(results)
    }
}

/// Sends to a ticket that may have been dropped meanwhile; then nobody wants the result.
fn send<R>(reply: &Sender<Result<R>>, result: Result<R>) {
    let _ = reply.send(result);
}

fn stopped(name: &str) -> Error {
    Error::Stopped { model: name.to_owned(), reason: "its thread has ended".into() }
}

/// Neither counters nor a queue are left half-done by a panic elsewhere.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn options(batch_size: usize) -> WorkerOptions {
        let threads = Threads::new(NonZeroUsize::MIN).unwrap();
        WorkerOptions { name: "test".into(), capacity: 16, batch_size, batch_timeout: Duration::from_secs(5), threads }
    }

    #[test]
    fn windows_of_several_streams_share_a_call() {
        let worker = Worker::spawn(&options(3), |w: &[u32]| Ok(w.iter().map(|n| (n * 10, w.len())).collect())).unwrap();
        let tickets: Vec<_> = (0..3).map(|n| worker.submit(n).unwrap()).collect();
        let results: Vec<_> = tickets.iter().map(|t| t.wait().unwrap()).collect();
        assert_eq!(results, [(0, 3), (10, 3), (20, 3)]);
        assert_eq!(worker.stats().calls, 1);
        assert_eq!(worker.stats().mean_batch, 3.0);
    }

    #[test]
    fn one_broken_window_does_not_fail_its_batch() {
        let worker =
            Worker::spawn(&options(3), |w: &[u32]| if w.contains(&1) { Err(Error::Interrupted) } else { Ok(w.to_vec()) })
                .unwrap();
        let tickets: Vec<_> = (0..3).map(|n| worker.submit(n).unwrap()).collect();
        assert_eq!(tickets[0].wait().unwrap(), 0);
        assert!(tickets[1].wait().is_err());
        assert_eq!(tickets[2].wait().unwrap(), 2);
    }

    #[test]
    fn a_dropped_ticket_cancels_its_window() {
        let (begin, gate) = bounded::<()>(0);
        let worker = Worker::spawn(&WorkerOptions { batch_size: 1, ..options(1) }, move |w: &[u32]| {
            let _ = gate.recv();
            Ok(w.to_vec())
        })
        .unwrap();
        let first = worker.submit(1).unwrap();
        let second = worker.submit(2).unwrap();
        let third = worker.submit(3).unwrap();
        drop(second);
        begin.send(()).unwrap();
        begin.send(()).unwrap();
        assert_eq!((first.wait().unwrap(), third.wait().unwrap()), (1, 3));
        assert_eq!(worker.stats().windows_dropped, 1);
    }

    #[test]
    fn a_panic_in_the_model_is_an_error_to_the_caller() {
        let worker = Worker::spawn(&options(1), |_: &[u32]| -> Result<Vec<u32>> { panic!("broken model") }).unwrap();
        assert!(matches!(worker.submit(1).unwrap().wait(), Err(Error::Stopped { .. })));
        let after = worker.submit(2).and_then(|ticket| ticket.wait());
        assert!(matches!(after, Err(Error::Stopped { .. })));
    }

    #[test]
    fn who_is_free_takes_the_next_window() {
        let (begin, gate) = bounded::<()>(0);
        let options = WorkerOptions { batch_size: 1, ..options(1) };
        let slow = move |w: &[u32]| {
            let _ = gate.recv();
            Ok(w.to_vec())
        };
        let mut worker = Worker::spawn(&options, slow).unwrap();
        let first = worker.submit(0).unwrap();
        while worker.jobs.as_ref().is_some_and(|jobs| !jobs.is_empty()) {
            std::thread::yield_now();
        }
        // The first thread is busy for as long as we like; all else goes past it.
        worker.add(Threads::new(NonZeroUsize::MIN).unwrap(), |w: &[u32]| Ok(w.to_vec())).unwrap();
        for n in 1..5 {
            assert_eq!(worker.submit(n).unwrap().wait().unwrap(), n);
        }
        begin.send(()).unwrap();
        assert_eq!((first.wait().unwrap(), worker.threads()), (0, 2));
    }

    #[test]
    fn dropping_the_worker_answers_what_was_submitted() {
        let worker = Worker::spawn(&options(1), |w: &[u32]| Ok(w.to_vec())).unwrap();
        let tickets: Vec<_> = (0..5).map(|n| worker.submit(n).unwrap()).collect();
        drop(worker);
        assert!(tickets.iter().enumerate().all(|(n, t)| t.wait().unwrap() == n as u32));
    }
}
