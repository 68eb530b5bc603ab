//! One thread a reply: reads its pieces, and hands them on in batches, so that crossing the border is paid once for
//! several tokens. The first piece goes at once: it is what the user waits for.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::reply::ReplyListener;
use crate::{AloeError, Result, Turn};

/// Pieces in one batch; a piece is a token or a few.
const MOST_PIECES: usize = 8;
/// A batch is handed on after this long, full or not: nobody sees thirty milliseconds.
const LONGEST_WAIT: Duration = Duration::from_millis(30);
/// Batches that may wait for a slow reader; then the engine's own bound holds the reply back.
pub(crate) const BATCHES: usize = 4;

/// Reads a reply to its end, for a reader that asks for batches.
pub(crate) fn start(reply: aloekit::Reply, batches: mpsc::Sender<String>, outcome: oneshot::Sender<Result<Turn>>) {
    spawn(reply, outcome, move |batch| batches.blocking_send(batch).map_err(|_| AloeError::Cancelled));
}

/// Reads a reply to its end, calling a listener of the app. One that throws ends the reply.
pub(crate) fn start_listened(
    reply: aloekit::Reply,
    listener: Arc<dyn ReplyListener>,
    outcome: oneshot::Sender<Result<Turn>>,
) {
    spawn(reply, outcome, move |batch| listener.on_text(batch));
}

fn spawn(
    reply: aloekit::Reply,
    outcome: oneshot::Sender<Result<Turn>>,
    hand_on: impl FnMut(String) -> Result<()> + Send + 'static,
) {
    // Where no thread can be started the reply is dropped, which cancels it, and so is `outcome`.
    let started = std::thread::Builder::new()
        .name("aloekit-reply".into())
        .spawn(move || drop(outcome.send(read(reply, hand_on))));
    if let Err(error) = started {
        tracing::warn!(%error, "no thread for a reply");
    }
}

fn read(mut reply: aloekit::Reply, mut hand_on: impl FnMut(String) -> Result<()>) -> Result<Turn> {
    let mut failure = None;
    let (mut is_first, mut is_over) = (true, false);
    while !is_over && failure.is_none() {
        let mut batch = String::new();
        let most = if std::mem::take(&mut is_first) { 1 } else { MOST_PIECES };
        let mut deadline = None;
        for _ in 0..most {
            match block_until(reply.next(), deadline) {
                Some(Ok(Some(piece))) => batch.push_str(&piece),
                Some(Ok(None) | Err(_)) => is_over = true, // the error comes with `finish`
                None => break,
            }
            if is_over {
                break;
            }
            deadline.get_or_insert_with(|| Instant::now() + LONGEST_WAIT);
        }
        if !batch.is_empty() {
            failure = hand_on(batch).err();
        }
    }
    if failure.is_some() {
        reply.cancel_handle().cancel();
    }
    let turn = block_until(reply.finish(), None).expect("without a deadline it waits to the end");
    match failure {
        Some(AloeError::Cancelled) | None => Ok(turn?.into()),
        Some(failure) => Err(failure),
    }
}

/// Blocks this thread until the future is ready, or the time has come.
fn block_until<F: Future>(future: F, deadline: Option<Instant>) -> Option<F::Output> {
    let mut future: Pin<&mut F> = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return None,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
