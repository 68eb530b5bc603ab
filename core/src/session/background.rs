//! One thread for what may block: the store, embeddings, files. Callers of async functions never wait on a disk.
//!
//! Jobs run in the order they were given, so a reply is recorded before the next turn of its session is prepared.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::error::{Error, Result};

type Job = Box<dyn FnOnce() + Send>;

/// The thread and its queue. Closing runs what was queued, then ends it.
#[derive(Debug)]
pub(super) struct Background {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    pub(super) fn start() -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("aloekit-background".into())
            .spawn(move || queue.into_iter().for_each(|job| job()))
            .map_err(|e| Error::internal(format_args!("cannot start the background thread: {e}")))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    /// Queues a job; false when closed.
    pub(super) fn submit(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().is_some_and(|jobs| jobs.send(Box::new(job)).is_ok())
    }

    /// Runs a job on the thread and waits for its answer without blocking. The job runs even when the caller gives up.
    pub(super) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let (answer, receiver) = oneshot::channel();
        self.submit(move || drop(answer.send(job())));
        receiver.await.unwrap_or(Err(Error::Closed))
    }

    /// Runs a job on the thread and blocks until it is done.
    pub(super) fn run_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, receiver) = mpsc::channel();
        self.submit(move || drop(answer.send(job())));
        receiver.recv().unwrap_or(Err(Error::Closed))
    }

    /// Finishes what was queued and ends the thread.
    pub(super) fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last handle may be dropped by a job, on this very thread.
        if let Some(thread) = thread.filter(|t| t.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn closing_finishes_what_was_queued_and_refuses_what_comes_later() {
        let background = Background::start().expect("a thread");
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let done = Arc::clone(&done);
            assert!(background.submit(move || {
                done.fetch_add(1, Ordering::SeqCst);
            }));
        }
        background.close();
        assert_eq!(done.load(Ordering::SeqCst), 100);
        assert!(matches!(background.run_blocking(|| Ok(())), Err(Error::Closed)));
    }
}
