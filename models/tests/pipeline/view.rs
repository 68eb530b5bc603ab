//! Looking at a run: the page in a real browser, and the server that gives it to nobody else.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::run::Run;

/// What would run if a text became markup anywhere.
const HOSTILE: &str =
    "</script><script>window.broken=1</script><img src=x onerror=\"window.broken=2\"> <b>bold</b> &amp; {{nonce}}";

/// A run with everything: a pool with its curve, trees that branch, rejected attempts, an imported hostile conversation.
fn full_run() -> Run {
    let run = Run::new();
    run.aloe(
        "personas --preset aloe-small --profiles 30 --personalities 20 --provider scripted --max-cosine 0.85 --seed 1",
    )
    .succeeded();
    run.aloe("trees --conversations 12 --rounds 4 --branch 1 --provider scripted --seed 1").succeeded();
    let turn = json!({
        "user": HOSTILE, "assistant": { "preferred": format!("A {HOSTILE}"), "rejected": "B" }, "chosen": "preferred",
        "inferred_profile": HOSTILE, "inferred_personality": "None",
    });
    let line = json!({ "profile": HOSTILE, "personality": HOSTILE, "conversations": [turn] });
    std::fs::write(run.beside("paper.jsonl"), format!("{line}\n")).expect("written");
    run.aloe(&format!("import --conversations {}", run.beside("paper.jsonl"))).succeeded();
    let rejected: Value = run.lines("trees/trees.jsonl")[3].clone();
    let mut tree = rejected;
    tree["attempt"] = json!(1);
    let rejection = json!({ "check": "leak", "turn": 2, "reason": "a reply speaks of what it was told" });
    let line = json!({ "rejection": rejection, "tree": tree });
    std::fs::write(run.path("trees/rejected.jsonl"), format!("{line}\n")).expect("written");
    let calls: String = ["user", "judge"]
        .map(|role| json!({ "request": "0", "role": role, "model": "gpt", "seed": 1, "answer": "x", "prompt_tokens": 1000, "completion_tokens": 50 }).to_string() + "\n")
        .concat();
    std::fs::write(run.path("calls.jsonl"), calls).expect("written");
    run
}

/// `aloe view` at work, ended when dropped.
struct Viewer {
    process: Child,
    address: String,
    port: u16,
    token: String,
}

impl Viewer {
    fn start(run: &Run) -> Self {
        let mut process = run.command("view --price gpt=2/10").stderr(Stdio::null()).spawn().expect("started");
        let mut address = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        output.read_line(&mut address).expect("an address");
        let address = address.trim().to_owned();
        let rest = address.strip_prefix("http://127.0.0.1:").expect("loopback");
        let (port, token) = rest.split_once("/?token=").expect("a token");
        Self { port: port.parse().expect("a port"), token: token.to_owned(), process, address }
    }

    /// Sends a request as it stands and gives back status and body.
    fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer)
    }

    fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let host = if headers.contains("host:") { String::new() } else { format!("host: 127.0.0.1:{}\r\n", self.port) };
        self.raw(&format!("GET {path} HTTP/1.1\r\n{host}{headers}connection: close\r\n\r\n"))
    }

    fn post(&self, path: &str, headers: &str, body: &str) -> u16 {
        let length = body.len();
        let port = self.port;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        self.raw(&format!("{head}{body}")).0
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn nobody_without_the_address_sees_a_run_or_rates_in_it() {
    let run = Run::with_personas(3);
    run.aloe("trees --conversations 2 --rounds 2 --provider scripted").succeeded();
    let viewer = Viewer::start(&run);
    let token = viewer.token.clone();
    let page = format!("/?token={token}");
    let (status, answer) = viewer.get(&page, "");
    assert_eq!(status, 200);
    assert!(answer.to_lowercase().contains("content-security-policy: default-src 'none'"), "{answer:.900}");
    assert_eq!(viewer.get("/", "").0, 403);
    assert_eq!(viewer.get("/?token=0", "").0, 403);
    // A name that was pointed here after the page had loaded.
    assert_eq!(viewer.get(&page, "host: cdn.example\r\n").0, 421);
    assert_eq!(viewer.get(&page, &format!("host: cdn.example:{}\r\n", viewer.port)).0, 421);
    assert_eq!(viewer.get(&page, "origin: https://cdn.example\r\n").0, 403);
    let key = format!("x-aloe-token: {token}\r\n");
    assert_eq!(viewer.get("/conversation?place=0", &key).0, 200);
    assert_eq!(viewer.get("/conversation?place=0", "").0, 403);
    for path in ["/conversation?place=99", "/conversation?place=-1", "/conversation", "/../run.json", "/etc/passwd"] {
        assert_eq!(viewer.get(path, &key).0, 404, "{path}");
    }
    let rating = r#"{"conversation":0,"attempt":0,"node":1,"choice":"left","left":"rejected"}"#;
    // A form of another page can send an address with a token in it, and no header of its own.
    assert_eq!(viewer.post(&format!("/rating?token={token}"), "", rating), 403);
    assert_eq!(viewer.post("/rating", &format!("{key}origin: https://cdn.example\r\n"), rating), 403);
    for bad in ["", "{}", "[1]", &rating.replace("left\",", "middle\","), &"x".repeat(100_000)] {
        assert_eq!(viewer.post("/rating", &key, bad), 400, "{bad:.40}");
    }
    assert_eq!(viewer.post("/rating", &key, rating), 200);
    assert_eq!(viewer.post("/rating", &format!("{key}origin: http://127.0.0.1:{}\r\n", viewer.port), rating), 200);
    let kept = run.lines("ratings/ratings.jsonl");
    assert_eq!(kept.len(), 2);
    assert_eq!(
        (&kept[0]["choice"], &kept[0]["left"], &kept[0]["node"]),
        (&"left".into(), &"rejected".into(), &1.into())
    );
    assert!(kept[0]["at_ms"].as_u64().is_some_and(|at| at > 1_600_000_000_000));
    run.aloe("view").failed_with("in use by another process");
    // The run itself is free: looking at it does not stop a stage.
    run.aloe("trees --conversations 3 --rounds 2 --provider scripted").succeeded();
    assert!(viewer.get(&page, "").1.contains("\"conversations\":3"));
}

#[test]
fn a_folder_that_is_no_run_is_not_looked_at() {
    let run = Run::new();
    run.aloe("view").failed_with("is no run directory");
    run.aloe("report").failed_with("is no run directory");
}

#[test]
fn a_report_shows_every_section_by_keys_alone_and_texts_as_texts() {
    let run = full_run();
    let out = run.beside("report.html");
    run.aloe(&format!("report --out {out} --price gpt=2/10")).succeeded();
    let Some(mut browser) = Browser::start("a report in a browser") else { return };
    let address = format!("file://{out}");
    browser.look(1380, 900, "light");
    browser.open(&address);
    browser.picture("overview-light");
    let tiles = browser.eval("[...document.querySelectorAll('.tile b')].map((tile) => tile.textContent)");
    assert_eq!(tiles, json!(["30", "13", "1", "2", "0"]));
    browser.press("2");
    browser.wait_for("document.querySelectorAll('.member-dot').length === 30");
    let first = browser.eval("document.querySelector('.member h3').textContent");
    browser.press("j");
    assert_ne!(browser.eval("document.querySelector('.member h3').textContent"), first);
    assert_eq!(browser.eval("document.querySelectorAll('.links line').length"), 6);
    assert_eq!(browser.eval("document.querySelectorAll('.near-list li').length"), 6);
    browser.picture("pool-light");
    browser.press("p");
    browser.wait_for("document.querySelectorAll('.member-dot').length === 20");
    browser.press("3");
    browser.wait_for("document.querySelectorAll('.turn').length === 4");
    assert_eq!(browser.eval("document.querySelectorAll('.reply').length"), 8);
    assert_eq!(browser.eval("document.querySelectorAll('.reply.answered').length"), 4);
    assert!(browser.eval("document.querySelectorAll('.known li.new').length").as_u64().is_some_and(|new| new >= 3));
    let path = browser.eval("document.querySelector('.turn:nth-child(2) .user').textContent");
    browser.picture("conversations-light");
    browser.press("n");
    browser.wait_for("document.querySelectorAll('.edge.on.rejected, .edge.on.preferred').length === 3");
    assert_ne!(browser.eval("document.querySelector('.turn:nth-child(2) .user').textContent"), path);
    // Hostile words, found by search.
    browser.press("/");
    browser.wait_for("document.activeElement.id === 'search'");
    browser.eval("Object.assign(document.activeElement, { value: 'onerror' }).dispatchEvent(new Event('input'))");
    browser.wait_for("document.querySelectorAll('.talks .rows li').length === 1");
    browser.wait_for("document.querySelectorAll('.turn').length === 1");
    assert_eq!(browser.eval("document.querySelector('.turn .user .text').textContent"), HOSTILE);
    assert_eq!(browser.eval("document.querySelector('.persona .two .text').textContent"), HOSTILE);
    browser.press("Escape");
    browser.eval("Object.assign(document.getElementById('search'), { value: '' }).dispatchEvent(new Event('input'))");
    browser.wait_for("document.querySelectorAll('.talks .rows li').length === 14");
    let filter =
        "Object.assign(document.getElementById('filter'), { value: 'rejected' }).dispatchEvent(new Event('change'))";
    browser.eval(filter);
    browser.wait_for("document.querySelectorAll('.talks .rows li.refused').length === 1");
    browser.wait_for("document.querySelector('.persona').textContent.includes('speaks of what it was told')");
    browser.press("4");
    browser.wait_for("document.querySelector('tfoot')?.textContent.includes('$0.0050')");
    browser.press("?");
    browser.wait_for("document.getElementById('help').open");
    browser.press("?");
    browser.wait_for("!document.getElementById('help').open");
    assert_eq!(browser.eval("typeof window.broken"), "undefined");
    assert_eq!(browser.complaints, [""; 0]);
    let elsewhere: Vec<_> = browser.asked.iter().filter(|url| **url != address && !url.starts_with("data:")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn a_page_fits_a_phone_and_the_dark() {
    let run = full_run();
    let out = run.beside("report.html");
    run.aloe(&format!("report --out {out}")).succeeded();
    let Some(mut browser) = Browser::start("a report on a phone and in the dark") else { return };
    for (width, height, scheme) in [(390, 844, "light"), (390, 844, "dark"), (1380, 900, "dark")] {
        browser.look(width, height, scheme);
        browser.open(&format!("file://{out}"));
        for section in ["overview", "pool", "conversations", "cost"] {
            browser.eval(&format!("location.hash = '{section}'"));
            browser.wait_for(&format!("document.querySelector('#top nav a[aria-current]').dataset.id === '{section}'"));
            browser.wait_for("!document.querySelector('.detail') || document.querySelector('.turn')");
            let wide = browser.eval("document.documentElement.scrollWidth - innerWidth");
            assert!(wide.as_i64().is_some_and(|wide| wide <= 0), "{section} is {wide} px too wide at {width}");
            browser.picture(&format!("{section}-{scheme}-{width}"));
        }
        let contrast = browser.eval(CONTRAST);
        assert!(contrast.as_f64().is_some_and(|contrast| contrast >= 4.5), "{scheme}: {contrast}");
    }
    browser.press("t");
    assert_eq!(browser.eval("document.documentElement.dataset.theme"), "light");
    assert_eq!(browser.complaints, [""; 0]);
}

/// The least contrast of text to the page's colours behind it (WCAG 2, relative luminance).
const CONTRAST: &str = "(() => {
    const probe = document.body.appendChild(document.createElement('canvas')).getContext('2d', { willReadFrequently: true });
    const style = getComputedStyle(document.documentElement);
    const resolved = (name) => { const node = document.body.appendChild(document.createElement('i')); node.style.color = `var(${name})`; const color = getComputedStyle(node).color; node.remove(); return color; };
    const luminance = (name) => {
        probe.fillStyle = resolved(name); probe.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...probe.getImageData(0, 0, 1, 1).data].map((c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    const pairs = [['--ink', '--paper'], ['--ink', '--card'], ['--soft', '--paper'], ['--soft', '--card'], ['--soft', '--raised'], ['--leaf', '--leaf-soft'], ['--clay', '--clay-soft'], ['--iris', '--iris-soft'], ['--gold', '--gold-soft'], ['--ink', '--leaf-soft'], ['--ink', '--gold-soft']];
    return Math.min(...pairs.map(([a, b]) => contrast(a, b)));
})()";

#[test]
fn replies_are_rated_blind_with_the_keys_and_kept_in_the_run() {
    let run = full_run();
    let viewer = Viewer::start(&run);
    let Some(mut browser) = Browser::start("rating by hand in a browser") else { return };
    browser.look(1380, 900, "light");
    browser.open(&viewer.address);
    browser.eval("location.hash = 'rate'");
    browser.wait_for("document.getElementById('rate-left')");
    browser.picture("rate-light");
    let shown = browser.eval("document.querySelector('.rating').textContent").to_string();
    for name in ["preferred", "rejected", "judge", "knew"] {
        assert!(!shown.contains(name), "the page says {name} to who rates");
    }
    let mut sides = Vec::new();
    for (number, key) in ["ArrowLeft", "ArrowRight", "ArrowDown"].into_iter().enumerate() {
        sides.push(browser.eval("[...document.querySelectorAll('.choice .text')].map((reply) => reply.textContent)"));
        browser.press(key);
        browser.wait_for(&format!("document.getElementById('rated').textContent.startsWith('{} turn')", number + 1));
    }
    let kept = run.lines("ratings/ratings.jsonl");
    assert_eq!(kept.iter().map(|rating| rating["choice"].clone()).collect::<Vec<_>>(), ["left", "right", "tie"]);
    let trees = run.lines("trees/trees.jsonl");
    for (rating, sides) in kept.iter().zip(&sides) {
        let tree = trees.iter().find(|tree| tree["id"] == rating["conversation"]).expect("a conversation of the run");
        let node = &tree["nodes"][rating["node"].as_u64().expect("a place") as usize];
        let left = rating["left"].as_str().expect("a name");
        assert_eq!(sides[0], node[left]["text"], "what is kept is what was shown");
    }
    browser.press("Backspace");
    browser.wait_for("document.getElementById('rated').textContent.startsWith('3 turns')");
    browser.press("ArrowLeft");
    browser.wait_for("aloe.run.ratings.length === 4");
    assert_eq!(browser.eval("aloe.ratings().size"), 3, "rated anew, not once more");
    browser.open(&viewer.address);
    browser.press("1");
    browser.wait_for("[...document.querySelectorAll('.tile b')].at(-1).textContent === '3'");
    browser.eval("location.hash = 'conversations'");
    browser.wait_for("document.querySelector('.turn')");
    browser.press("j");
    browser.wait_for("location.hash === '#conversations/1'");
    assert_eq!(browser.complaints, [""; 0]);
    let own = format!("http://127.0.0.1:{}/", viewer.port);
    assert!(browser.asked.iter().all(|url| url.starts_with(&own) || url.starts_with("data:")), "{:?}", browser.asked);
}
