//! Downloads from a hub that cuts, stalls, lies and refuses: the file is whole and checked, or it is not there.

use std::time::{Duration, Instant};

use crate::hub::{
    Home, Hub, Reply, cut_after, head, send, sha256, stall_after, status, weights, whole, whole_with_etag,
};

const LEN: usize = 300_000;

#[track_caller]
fn assert_whole(home: &Home, body: &[u8]) {
    assert!(std::fs::read(home.file()).expect("there") == body, "the file is not what was served");
    assert!(!home.part().exists());
    assert!(!home.part().with_extension("part.toml").exists());
}

#[track_caller]
fn assert_nothing(home: &Home) {
    assert!(!home.file().exists() && !home.part().exists());
}

#[test]
fn a_whole_file_is_fetched_once() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let hub = Hub::start(vec![whole(&body)]);
    home.pull(&hub).succeeded();
    home.pull(&hub).succeeded();
    assert_whole(&home, &body);
    assert_eq!(hub.requests().len(), 1);
    assert_eq!(hub.requests()[0].path, "/someone/tiny/resolve/main/tiny.gguf");
}

#[test]
fn a_cut_download_goes_on_by_range() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let hub = Hub::start(vec![cut_after(&body, 100_000), cut_after(&body, 50_000), whole(&body)]);
    home.pull(&hub).succeeded();
    assert_whole(&home, &body);
    let starts: Vec<_> = hub.requests().iter().map(crate::hub::Request::range_start).collect();
    assert_eq!(starts, [None, Some(100_000), Some(150_000)]);
    assert_eq!(hub.requests()[1].header("if-range"), Some("\"one\""));
}

#[test]
fn a_stalled_download_is_given_up_in_time_and_goes_on() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let hub = Hub::start(vec![stall_after(&body, 100_000), whole(&body)]);
    let started = Instant::now();
    home.pull(&hub).succeeded();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_whole(&home, &body);
    assert_eq!(hub.requests()[1].range_start(), Some(100_000));
}

#[test]
fn a_drip_of_single_bytes_counts_as_a_stall() {
    let home = Home::pinned(&weights(LEN));
    let drip: Reply = Box::new(|_, stream| {
        head(stream, "200 OK", &[("content-length", LEN.to_string()), ("etag", "\"one\"".to_owned())]);
        for byte in weights(60) {
            send(stream, &[byte]);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let started = Instant::now();
    home.pull(&Hub::start(vec![drip])).failed_with("sent nothing");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(!home.file().exists());
}

#[test]
fn tries_that_bring_nothing_come_to_an_end_and_the_part_is_kept() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let hub = Hub::start(vec![cut_after(&body, 100), cut_after(&body, 0)]);
    home.pull(&hub).failed_with("broke off at byte 100 of 300000");
    assert_eq!(hub.requests().len(), 3);
    assert_eq!(std::fs::read(home.part()).expect("kept").len(), 100);
    home.pull(&Hub::start(vec![whole(&body)])).succeeded();
    assert_whole(&home, &body);
}

#[test]
fn a_length_other_than_the_manifests_is_refused_before_the_body() {
    let home = Home::pinned(&weights(LEN));
    for len in [LEN - 1, LEN + 1] {
        home.pull(&Hub::start(vec![whole(&weights(len))])).failed_with("should have 300000");
        assert_nothing(&home);
    }
}

#[test]
fn a_body_longer_than_announced_is_cut_at_the_announced_length() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let lie: Reply = Box::new(|_, stream| {
        head(stream, "200 OK", &[("content-length", LEN.to_string())]);
        send(stream, &weights(LEN + 5000));
    });
    home.pull(&Hub::start(vec![lie])).succeeded();
    assert_whole(&home, &body);
}

#[test]
fn a_body_without_a_length_may_not_grow_past_the_manifests_size() {
    let home = Home::pinned(&weights(LEN));
    let endless: Reply = Box::new(|_, stream| {
        head(stream, "200 OK", &[]);
        for _ in 0..100 {
            send(stream, &weights(LEN));
        }
    });
    home.pull(&Hub::start(vec![endless])).failed_with("should have 300000");
    assert_nothing(&home);
}

#[test]
fn wrong_bytes_of_the_right_size_are_refused_and_not_kept() {
    let (mut body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    body[LEN / 2] ^= 1;
    home.pull(&Hub::start(vec![whole(&body)])).failed_with("SHA-256");
    assert_nothing(&home);
}

#[test]
fn a_bad_first_half_is_fetched_again_in_one_piece() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let mut bad = body.clone();
    bad[1000] ^= 1;
    let hub = Hub::start(vec![cut_after(&bad, 100_000), whole(&body), whole(&body)]);
    home.pull(&hub).succeeded();
    assert_whole(&home, &body);
    assert_eq!(hub.requests()[2].range_start(), None);
}

#[test]
fn a_server_that_ignores_the_range_is_taken_from_the_start() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let served = body.clone();
    let ignores: Reply = Box::new(move |_, stream| {
        head(stream, "200 OK", &[("content-length", LEN.to_string()), ("etag", "\"one\"".to_owned())]);
        send(stream, &served);
    });
    home.pull(&Hub::start(vec![cut_after(&body, 1000), ignores])).succeeded();
    assert_whole(&home, &body);
}

#[test]
fn a_range_that_starts_elsewhere_is_not_appended() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let served = body.clone();
    let elsewhere: Reply = Box::new(move |_, stream| {
        let range = format!("bytes 5-{}/{LEN}", LEN - 1);
        head(stream, "206 Partial Content", &[("content-length", (LEN - 5).to_string()), ("content-range", range)]);
        send(stream, &served[5..]);
    });
    let hub = Hub::start(vec![cut_after(&body, 1000), elsewhere, whole(&body)]);
    home.pull(&hub).succeeded();
    assert_whole(&home, &body);
    assert_eq!(hub.requests()[2].range_start(), None);
}

#[test]
fn a_refused_range_starts_again_from_the_first_byte() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let refused = status("416 Range Not Satisfiable", &[("content-range", "bytes */300000")]);
    home.pull(&Hub::start(vec![cut_after(&body, 1000), refused, whole(&body)])).succeeded();
    assert_whole(&home, &body);
}

#[test]
fn a_file_that_changed_on_the_server_is_not_mended_with_its_new_half() {
    let (body, home) = (weights(LEN), Home::unpinned());
    let hub = Hub::start(vec![whole_with_etag(&body, "\"two\"")]);
    std::fs::create_dir_all(home.path("cache/models/tiny")).expect("made");
    std::fs::write(home.part(), vec![7; 1000]).expect("written");
    let notes = format!("url = '{}/someone/tiny/resolve/main/tiny.gguf'\netag = '\"one\"'\n", hub.address);
    std::fs::write(home.part().with_extension("part.toml"), notes).expect("written");
    home.pull(&hub).succeeded();
    assert!(std::fs::read(home.file()).expect("there") == body);
    let starts: Vec<_> = hub.requests().iter().map(crate::hub::Request::range_start).collect();
    assert_eq!(starts, [Some(1000), None]);
}

#[test]
fn refusals_are_told_apart_and_not_repeated() {
    for (line, words) in [
        ("401 Unauthorized", "refuses tiny.gguf (answer 401)"),
        ("403 Forbidden", "refuses tiny.gguf (answer 403)"),
        ("404 Not Found", "does not have tiny.gguf"),
        ("400 Bad Request", "answered 400"),
    ] {
        let (home, hub) = (Home::unpinned(), Hub::start(vec![status(line, &[])]));
        home.pull(&hub).failed_with(words);
        assert_eq!(hub.requests().len(), 1, "{line}");
        assert_nothing(&home);
    }
}

#[test]
fn a_busy_server_is_asked_again_when_it_says_so() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let busy = status("429 Too Many Requests", &[("retry-after", "1")]);
    let started = Instant::now();
    home.pull(&Hub::start(vec![busy, whole(&body)])).succeeded();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_whole(&home, &body);
}

#[test]
fn a_broken_server_is_asked_a_bounded_number_of_times() {
    let (home, hub) = (Home::unpinned(), Hub::start(vec![status("500 Internal Server Error", &[])]));
    home.pull(&hub).failed_with("answered 500");
    assert_eq!(hub.requests().len(), 3);
}

#[test]
fn a_page_in_place_of_the_file_is_seen() {
    for (kind, page) in [
        ("text/html", "GGUF no"),
        ("application/octet-stream", "<!DOCTYPE html><p>log in"),
        ("application/octet-stream", "version https://git-lfs.github.com/spec/v1\n"),
        ("application/octet-stream", "plain words"),
    ] {
        let reply: Reply = Box::new(move |_, stream| {
            let length = page.len().to_string();
            head(stream, "200 OK", &[("content-length", length), ("content-type", kind.to_owned())]);
            send(stream, page.as_bytes());
        });
        let home = Home::unpinned();
        home.pull(&Hub::start(vec![reply])).failed_with("sent a page and not the file");
        assert_nothing(&home);
    }
}

#[test]
fn the_token_stays_with_the_hub_when_it_redirects() {
    let (body, home) = (weights(LEN), Home::unpinned());
    let cdn = Hub::start(vec![whole(&body)]);
    let (target, hash) = (format!("{}/signed?key=1", cdn.address), sha256(&body));
    let redirect: Reply = Box::new(move |_, stream| {
        let linked = format!("\"{hash}\"");
        let headers = [("location", target.clone()), ("x-linked-etag", linked), ("x-repo-commit", "a".repeat(40))];
        head(stream, "302 Found", &headers);
    });
    let hub = Hub::start(vec![redirect]);
    home.pull(&hub).succeeded();
    assert_whole(&home, &body);
    assert_eq!(hub.requests()[0].header("authorization"), Some("Bearer hf_canary"));
    assert_eq!(cdn.requests()[0].header("authorization"), None);
    let pins = std::fs::read_to_string(home.path("config/models.lock")).expect("pinned");
    assert!(pins.contains(&sha256(&body)) && pins.contains(&"a".repeat(40)), "{pins}");
}

#[test]
fn a_redirect_in_the_clear_or_in_circles_is_refused() {
    let (home, hub) =
        (Home::unpinned(), Hub::start(vec![status("302 Found", &[("location", "http://hub.example/x?sig=1")])]));
    let run = home.pull(&hub).failed_with("redirects to http://hub.example, which");
    assert!(!run.stderr.contains("sig"));
    let circle = Hub::start(vec![status("302 Found", &[("location", "/someone/tiny")])]);
    home.pull(&circle).failed_with("redirects in circles");
    assert_nothing(&home);
}

#[test]
fn plain_http_to_another_machine_is_refused_without_a_call() {
    let home = Home::unpinned();
    let mut command = home.command(None, &["models", "pull", "tiny"]);
    command.env("HF_ENDPOINT", "http://hub.example");
    crate::hub::Run::from(command.output().expect("run")).failed_with("plain http is for this machine only");
}

#[test]
fn the_first_download_is_held_against_the_hash_that_the_hub_states() {
    let home = Home::unpinned();
    let liar: Reply = Box::new(|_, stream| {
        let linked = format!("\"{}\"", "0".repeat(64));
        head(stream, "200 OK", &[("content-length", LEN.to_string()), ("x-linked-etag", linked)]);
        send(stream, &weights(LEN));
    });
    home.pull(&Hub::start(vec![liar])).failed_with("SHA-256");
    assert_nothing(&home);
}

#[test]
fn the_first_download_pins_the_hash_and_other_bytes_are_refused_from_then_on() {
    let (body, home) = (weights(LEN), Home::unpinned());
    home.pull(&Hub::start(vec![whole(&body)])).succeeded();
    home.run(None, &["models", "remove", "tiny"]).succeeded();
    assert_nothing(&home);
    let mut other = body.clone();
    other[77] ^= 1;
    home.pull(&Hub::start(vec![whole(&other)])).failed_with("SHA-256");
    home.pull(&Hub::start(vec![whole(&weights(LEN + 1))])).failed_with("should have 300000");
    home.pull(&Hub::start(vec![whole(&body)])).succeeded();
    assert_whole(&home, &body);
}

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let slow = Hub::start(vec![stall_after(&body, 200_000)]);
    let mut child = home.command(Some(&slow), &["models", "pull", "tiny"]).spawn().expect("started");
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::fs::metadata(home.part()).map(|part| part.len()).unwrap_or(0) < 200_000 {
        assert!(Instant::now() < deadline, "the part does not grow");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert!(!home.file().exists());
    // The same address again, as a hub that came back would have.
    let notes = home.part().with_extension("part.toml");
    let hub = Hub::start(vec![whole(&body)]);
    let text = std::fs::read_to_string(&notes).expect("there").replace(&slow.address, &hub.address);
    std::fs::write(&notes, text).expect("written");
    home.pull(&hub).succeeded();
    assert_whole(&home, &body);
    assert_eq!(hub.requests()[0].range_start(), Some(200_000));
}

#[test]
fn downloads_killed_at_any_point_end_in_a_whole_file() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let slow: Reply = Box::new(|request, stream| {
        let (body, start) = (weights(LEN), request.range_start().unwrap_or(0));
        let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
        let range = format!("bytes {start}-{}/{LEN}", LEN - 1);
        let length = (LEN - start).to_string();
        head(stream, status, &[("content-length", length), ("content-range", range), ("etag", "\"one\"".to_owned())]);
        for chunk in body[start..].chunks(10_000) {
            send(stream, chunk);
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let hub = Hub::start(vec![slow]);
    for round in 0..12u64 {
        let mut child = home.command(Some(&hub), &["models", "pull", "tiny"]).spawn().expect("started");
        std::thread::sleep(Duration::from_millis(3 + round * 7));
        child.kill().expect("killed");
        child.wait().expect("gone");
        if home.file().exists() {
            assert!(std::fs::read(home.file()).expect("there") == body, "round {round}");
        }
    }
    home.pull(&hub).succeeded();
    assert_whole(&home, &body);
}

#[test]
fn two_processes_that_want_the_same_file_fetch_it_once() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let served = body.clone();
    let slow: Reply = Box::new(move |_, stream| {
        head(stream, "200 OK", &[("content-length", LEN.to_string())]);
        std::thread::sleep(Duration::from_millis(400));
        send(stream, &served);
    });
    let hub = Hub::start(vec![slow]);
    let start = || home.command(Some(&hub), &["models", "pull", "tiny"]).spawn().expect("started");
    let children = [start(), start(), start()];
    for child in children {
        crate::hub::Run::from(child.wait_with_output().expect("ended")).succeeded();
    }
    assert_whole(&home, &body);
    assert_eq!(hub.requests().len(), 1);
}

#[test]
fn a_damaged_or_missing_cache_is_made_again() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let hub = Hub::start(vec![whole(&body)]);
    home.pull(&hub).succeeded();
    let mut damaged = body.clone();
    damaged[5] ^= 1;
    std::fs::write(home.file(), damaged).expect("damaged");
    home.run(None, &["models", "verify", "tiny"]).failed_with("SHA-256");
    home.pull(&hub).succeeded();
    assert_whole(&home, &body);
    std::fs::remove_dir_all(home.path("cache")).expect("removed");
    home.run(None, &["models", "verify", "tiny"]).failed_with("is missing");
    home.pull(&hub).succeeded();
    home.run(None, &["models", "verify", "tiny"]).succeeded();
    assert_whole(&home, &body);
}

#[test]
fn a_lost_stamp_costs_a_hash_and_no_download() {
    let (body, home) = (weights(LEN), Home::pinned(&weights(LEN)));
    let hub = Hub::start(vec![whole(&body)]);
    home.pull(&hub).succeeded();
    std::fs::remove_file(home.path("cache/models/tiny/tiny.gguf.stamp")).expect("removed");
    home.pull(&hub).succeeded();
    assert_eq!(hub.requests().len(), 1);
}

#[test]
fn a_file_that_cannot_fit_is_refused_before_it_is_asked_for() {
    let home = Home::with(&format!("size = {}", 1u64 << 50));
    let hub = Hub::start(vec![whole(&weights(LEN))]);
    home.pull(&hub).failed_with("no room for");
    assert!(hub.requests().is_empty());
}

#[test]
fn a_manifest_that_leads_out_of_the_cache_is_refused() {
    for name in ["../tiny.gguf", "/tmp/tiny.gguf", "..", "a/b.gguf"] {
        let source = "{ type = 'hugging-face', repo = 'a/b', revision = 'main', file = 'f' }";
        let home = Home::with_file(&format!("name = '{name}'\nsource = {source}"));
        home.run(None, &["models", "list"]).failed_with("file name must be one name");
    }
}
