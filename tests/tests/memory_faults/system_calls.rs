//! A stand-in for the calls by which SQLite and the store reach the disk, so that any one of them can be made to fail.
//!
//! The definitions here have the names of libc's. The linker takes a program's own before those of a library, so SQLite,
//! which is linked into this program, calls them. A thread that has armed nothing gets what libc would have done.
//! Chosen over strace and `LD_PRELOAD`: nothing need be installed, the process goes on and can be asked what it holds,
//! and a thousand faults take seconds.
#![allow(unsafe_code, reason = "stands in for C functions")]

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_void};
use std::path::{Path, PathBuf};

/// A call that changes files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Pwrite,
    Fsync,
    Ftruncate,
    Rename,
    Unlink,
}

pub(crate) const CALLS: [Call; 5] = [Call::Pwrite, Call::Fsync, Call::Ftruncate, Call::Rename, Call::Unlink];

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This once, with this number.
    Once(c_int),
    /// From then on, and so does every later call of any kind.
    FromThenOn(c_int),
    /// Half of it is written, and no write finds room after it.
    HalfThenFull,
}

/// What becomes of the calls of this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The `nth` call of one kind fails, from 1.
    Fail { call: Call, nth: u32, failure: Failure },
    /// The folder is copied before every call.
    Photograph,
    /// What is flushed is copied, as a disk without power would have it.
    KeepFlushed,
}

#[derive(Clone, Copy)]
struct Armed {
    plan: Plan,
    seen: u32,
    met: bool,
}

thread_local! {
    static ARMED: Cell<Option<Armed>> = const { Cell::new(None) };
    static FOLDERS: RefCell<Option<(PathBuf, PathBuf)>> = const { RefCell::new(None) };
}

/// Runs some work with a plan; returns to whether the fault was met, or how many copies were made.
pub(crate) fn under<T>(plan: Plan, work: impl FnOnce() -> T) -> (T, u32) {
    ARMED.set(Some(Armed { plan, seen: 0, met: false }));
    let done = work();
    let armed = ARMED.take().expect("armed above, and only here disarmed");
    match plan {
        Plan::Fail { .. } => (done, u32::from(armed.met)),
        Plan::Photograph | Plan::KeepFlushed => (done, armed.seen),
    }
}

/// As [`under`], for plans that copy: from the folder `of` into `to`.
pub(crate) fn copying<T>(plan: Plan, of: &Path, to: &Path, work: impl FnOnce() -> T) -> (T, u32) {
    FOLDERS.replace(Some((of.to_path_buf(), to.to_path_buf())));
    let done = under(plan, work);
    FOLDERS.take();
    done
}

/// What a call is to do instead of its work.
enum Instead {
    Nothing,
    Fail(c_int),
    Half,
}

fn meet(call: Call) -> Instead {
    let Some(mut armed) = ARMED.try_with(Cell::get).ok().flatten() else { return Instead::Nothing };
    let instead = match armed.plan {
        Plan::Fail { call: wanted, nth, failure } => {
            armed.seen += u32::from(call == wanted);
            let is_it = call == wanted && armed.seen == nth;
            let before = armed.met;
            armed.met |= is_it;
            match failure {
                Failure::Once(number) if is_it => Instead::Fail(number),
                Failure::FromThenOn(number) if is_it || before => Instead::Fail(number),
                Failure::HalfThenFull if is_it => Instead::Half,
                Failure::HalfThenFull if before && call == Call::Pwrite => Instead::Fail(libc::ENOSPC),
                _ => Instead::Nothing,
            }
        }
        Plan::Photograph => {
            ARMED.set(None); // copying makes calls of its own
            armed.seen += 1;
            FOLDERS.with_borrow(|folders| {
                let (of, to) = folders.as_ref().expect("`copying` set them");
                copy_folder(of, &to.join(armed.seen.to_string()));
            });
            Instead::Nothing
        }
        Plan::KeepFlushed => Instead::Nothing,
    };
    ARMED.set(Some(armed));
    instead
}

pub(crate) fn copy_folder(of: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for file in std::fs::read_dir(of).expect("it is there") {
        let file = file.expect("a file").path();
        if file.is_file() && !file.to_string_lossy().ends_with("-shm") {
            std::fs::copy(&file, to.join(file.file_name().expect("it has a name"))).expect("copied");
        }
    }
}

/// After a flush that went well: the file as it is now is what a disk without power has.
fn flushed(file: c_int) {
    let Some(mut armed) = ARMED.try_with(Cell::get).ok().flatten() else { return };
    if armed.plan != Plan::KeepFlushed {
        return;
    }
    ARMED.set(None);
    armed.seen += 1;
    let path = std::fs::read_link(format!("/proc/self/fd/{file}")).expect("Linux tells");
    FOLDERS.with_borrow(|folders| {
        let (of, to) = folders.as_ref().expect("`copying` set them");
        if path.is_file() && path.parent() == Some(of) {
            std::fs::copy(&path, to.join(path.file_name().expect("it has a name"))).expect("copied");
        }
    });
    ARMED.set(Some(armed));
}

fn fail(number: c_int) -> c_int {
    // SAFETY: libc's errno is this thread's own.
    unsafe { *libc::__errno_location() = number };
    -1
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(file: c_int, bytes: *const c_void, count: usize, at: libc::off64_t) -> isize {
    let count = match meet(Call::Pwrite) {
        Instead::Nothing => count,
        Instead::Fail(number) => return fail(number) as isize,
        Instead::Half => count / 2,
    };
    // SAFETY: the caller's promise, and no more bytes than it gave.
    unsafe { libc::syscall(libc::SYS_pwrite64, file, bytes, count, at) as isize }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(file: c_int, bytes: *const c_void, count: usize) -> isize {
    let count = match meet(Call::Pwrite) {
        Instead::Nothing => count,
        Instead::Fail(number) => return fail(number) as isize,
        Instead::Half => count / 2,
    };
    // SAFETY: the caller's promise, and no more bytes than it gave.
    unsafe { libc::syscall(libc::SYS_write, file, bytes, count) as isize }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(file: c_int) -> c_int {
    if let Instead::Fail(number) = meet(Call::Fsync) {
        return fail(number);
    }
    flushed(file);
    // SAFETY: it takes any number.
    unsafe { libc::syscall(libc::SYS_fsync, file) as c_int }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    if let Instead::Fail(number) = meet(Call::Fsync) {
        return fail(number);
    }
    flushed(file);
    // SAFETY: it takes any number.
    unsafe { libc::syscall(libc::SYS_fdatasync, file) as c_int }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate64(file: c_int, length: libc::off64_t) -> c_int {
    if let Instead::Fail(number) = meet(Call::Ftruncate) {
        return fail(number);
    }
    // SAFETY: it takes any numbers.
    unsafe { libc::syscall(libc::SYS_ftruncate, file, length) as c_int }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    if let Instead::Fail(number) = meet(Call::Rename) {
        return fail(number);
    }
    // SAFETY: the caller's promise.
    unsafe { libc::renameat(libc::AT_FDCWD, from, libc::AT_FDCWD, to) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    if let Instead::Fail(number) = meet(Call::Unlink) {
        return fail(number);
    }
    // SAFETY: the caller's promise.
    unsafe { libc::unlinkat(libc::AT_FDCWD, path, 0) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: the caller's promise.
    let done = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int };
    if done == 0 && clock == libc::CLOCK_REALTIME {
        let shift = CLOCK_SHIFT_S.try_with(Cell::get).unwrap_or(0);
        // SAFETY: the kernel has just written it.
        unsafe { (*time).tv_sec += shift };
    }
    done
}

thread_local! {
    static CLOCK_SHIFT_S: Cell<i64> = const { Cell::new(0) };
}

/// Sets this thread's clock so many seconds off, as the user might the device's.
pub(crate) fn set_clock_off_by_s(seconds: i64) {
    CLOCK_SHIFT_S.set(seconds);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test that no fault ever reaches would pass without testing anything.
    #[test]
    fn sqlite_reaches_the_disk_through_these_calls() {
        let folder = tempfile::tempdir().expect("a folder");
        for (call, sql) in [
            (Call::Pwrite, "CREATE TABLE t(x); INSERT INTO t VALUES (1);"),
            (Call::Fsync, "CREATE TABLE u(x);"),
            (Call::Ftruncate, "PRAGMA journal_mode = TRUNCATE; CREATE TABLE v(x);"),
            (Call::Unlink, "PRAGMA journal_mode = DELETE; CREATE TABLE w(x);"),
        ] {
            let store = rusqlite::Connection::open(folder.path().join("any.db")).expect("it opens");
            let plan = Plan::Fail { call, nth: 1, failure: Failure::Once(libc::EIO) };
            let (done, met) = under(plan, || store.execute_batch(sql));
            assert_eq!((met, done.is_err()), (1, true), "{call:?}");
        }
        let plan = Plan::Fail { call: Call::Rename, nth: 1, failure: Failure::Once(libc::EIO) };
        let (done, met) = under(plan, || std::fs::rename(folder.path().join("any.db"), folder.path().join("other.db")));
        assert_eq!((met, done.is_err()), (1, true));
    }
}
