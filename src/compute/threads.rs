//! How many cores a computation may take.

use std::{fmt, num::NonZeroUsize, sync::Arc};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// A pool of threads for matrix products and kernels: what [`run`](Self::run) is given computes on these and no others. Results do not depend
/// on their number.
#[derive(Clone)]
pub struct Threads(Arc<ThreadPool>);

impl Threads {
    /// So many threads.
    ///
    /// # Errors
    /// When the system refuses them.
    pub fn new(count: NonZeroUsize) -> Result<Self> {
        let name = |number| format!("perceiver compute {number}");
        let pool = ThreadPoolBuilder::new().num_threads(count.get()).thread_name(name).build();
        pool.map(|pool| Self(Arc::new(pool))).map_err(|e| Error::option("threads", count, format!("fewer ({e})")))
    }

    /// As many as a model may take beside other work that has to keep up, as in a media server: half of the processors, 1 at least.
    ///
    /// # Errors
    /// When the system refuses them.
    pub fn beside_others() -> Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(NonZeroUsize::new(processors / 2).unwrap_or(NonZeroUsize::MIN))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `work` on one of the threads, all products and kernels in it on all of them, and waits for its result.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Threads").field(&self.count()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Mutex};

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn work_stays_on_its_threads() {
        for count in [1, 3] {
            let threads = Threads::new(NonZeroUsize::new(count).unwrap()).unwrap();
            let seen = Mutex::new(BTreeSet::new());
            threads.run(|| {
                (0..1000).into_par_iter().for_each(|_| {
                    seen.lock().unwrap().insert(std::thread::current().name().unwrap_or_default().to_owned());
                });
            });
            let seen = seen.into_inner().unwrap();
            assert!(seen.len() <= count && seen.iter().all(|name| name.starts_with("perceiver compute")), "{seen:?}");
            assert_eq!(threads.count(), count);
        }
    }
}
