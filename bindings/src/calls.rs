//! A few threads for calls that block, so that a future never blocks the thread that polls it.
//!
//! Whoever polls is the app's main thread, as often as not. Jobs never wait for each other, so a fixed number of threads
//! cannot lock up. A job runs to its end even when its caller has gone: no write is abandoned halfway.

use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::task::Poll;

use tokio::sync::oneshot;

use crate::{AloeError, CancelToken, Result};

/// Calls block on one connection or on one engine: more threads would only wait in more places.
const THREADS: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// Runs a job on one of the threads; the answer is dropped when nobody waits for it any more.
pub(crate) async fn run<T: Send + 'static>(
    cancel: Option<Arc<CancelToken>>,
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if cancel.as_ref().is_some_and(|token| token.is_cancelled()) {
        return Err(AloeError::Cancelled);
    }
    let (answer, mut receiver) = oneshot::channel();
    let work = cancel.as_ref().map(CancelToken::begin);
    submit(move || {
        let _ = answer.send(job());
        drop(work);
    });
    let Some(token) = cancel else { return receiver.await.unwrap_or_else(|_| Err(died())) };
    let mut cancelled = pin!(token.cancelled());
    std::future::poll_fn(|context| {
        if let Poll::Ready(answer) = std::pin::Pin::new(&mut receiver).poll(context) {
            return Poll::Ready(answer.unwrap_or_else(|_| Err(died())));
        }
        cancelled.as_mut().poll(context).map(|()| Err(AloeError::Cancelled))
    })
    .await
}

/// Queues a job that nobody waits for.
pub(crate) fn submit(job: impl FnOnce() + Send + 'static) {
    // The queue lives as long as the process, so sending cannot fail.
    let _ = queue().send(Box::new(job));
}

fn died() -> AloeError {
    AloeError::Internal { reason: "a call ended without an answer".into() }
}

fn queue() -> &'static mpsc::Sender<Job> {
    static QUEUE: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    QUEUE.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..THREADS {
            let jobs = Arc::clone(&jobs);
            // One that cannot start leaves its share to the others.
            let started = std::thread::Builder::new().name("aloekit-calls".into()).spawn(move || work(&jobs));
            if let Err(error) = started {
                tracing::warn!(%error, "a thread for calls could not be started");
            }
        }
        sender
    })
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let Ok(job) = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return };
        // A job that panics drops its answer: its caller gets an error, and the thread goes on.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}
