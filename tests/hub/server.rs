//! A stand-in for the Hub: the answers of its own server and of the one where large files lie, over plain sockets.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::json;
use sha2::{Digest, Sha256};

pub(crate) const REPOSITORY: &str = "owner/flow";
/// What `main` and the tag `v1` stand at.
pub(crate) const COMMIT: &str = "1111111111111111111111111111111111111111";

pub(crate) struct Server {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

/// What the server holds, how it misbehaves, and what it was asked.
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) revisions: BTreeMap<String, String>,
    /// Only who shows it is let in.
    pub(crate) token: Option<String>,
    /// Bytes of a large file after which the connection ends.
    pub(crate) cut_after: Option<usize>,
    /// Whether large files come with a wrong byte.
    pub(crate) damages: bool,
    /// Whether it answers requests for a part of a file with all of it.
    pub(crate) ignores_ranges: bool,
    pub(crate) requests: Vec<Request>,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<usize>,
    pub(crate) token: Option<String>,
    /// Bytes of the answer's body that were sent.
    pub(crate) sent: usize,
}

impl Server {
    /// Serves these files as `owner/flow`.
    pub(crate) fn start(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let state = Arc::new(Mutex::new(State {
            files: files.into_iter().collect(),
            revisions: ["main", "v1", COMMIT].map(|revision| (revision.to_owned(), COMMIT.to_owned())).into(),
            token: None,
            cut_after: None,
            damages: false,
            ignores_ranges: false,
            requests: Vec::new(),
        }));
        let storage = listen(&state, storage);
        let endpoint = listen(&state, move |request, state| hub(request, state, &storage));
        Self { endpoint, state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// What is sent of the body.
    sent: usize,
}

impl Answer {
    fn new(status: &'static str, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Self { status, headers, sent: body.len(), body }
    }

    fn refused(status: &'static str, code: &str) -> Self {
        Self::new(status, vec![("X-Error-Code", code.to_owned())], Vec::new())
    }
}

fn listen(state: &Arc<Mutex<State>>, answer: impl Fn(&Request, &State) -> Answer + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let state = state.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(mut request) = read(&stream) else { continue };
            let mut state = state.lock().unwrap();
            let answer = answer(&request, &state);
            request.sent = if request.method == "HEAD" { 0 } else { answer.sent };
            state.requests.push(request.clone());
            drop(state);
            write(stream, &request, &answer);
        }
    });
    address
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, path, range: None, token: None, sent: 0 };
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok(),
            "authorization" => request.token = value.strip_prefix("Bearer ").map(str::to_owned),
            _ => {}
        }
    }
    Some(request)
}

fn write(mut stream: TcpStream, request: &Request, answer: &Answer) {
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    // Somebody who went away is no failure of the server.
    let _ = stream.write_all(format!("{head}\r\n").as_bytes());
    let _ = stream.write_all(&answer.body[..request.sent]);
}

fn is_large(name: &str) -> bool {
    name.ends_with(".safetensors") || name.ends_with(".bin")
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// huggingface.co: what there is, small files, and where large ones lie.
fn hub(request: &Request, state: &State, storage: &str) -> Answer {
    if let Some(expected) = &state.token
        && request.token.as_ref() != Some(expected)
    {
        return Answer::refused("401 Unauthorized", "");
    }
    if let Some(rest) = request.path.strip_prefix("/api/models/") {
        let Some(revision) = rest.strip_prefix(REPOSITORY).and_then(|rest| rest.strip_prefix("/revision/")) else {
            return Answer::refused("404 Not Found", "RepoNotFound");
        };
        let Some(commit) = state.revisions.get(&revision.replace("%2F", "/")) else {
            return Answer::refused("404 Not Found", "RevisionNotFound");
        };
        let siblings: Vec<_> = state.files.keys().map(|name| json!({ "rfilename": name })).collect();
        let listing = json!({ "id": REPOSITORY, "sha": commit, "siblings": siblings });
        return Answer::new("200 OK", Vec::new(), listing.to_string().into_bytes());
    }
    if let Some(name) = request.path.strip_prefix("/content/") {
        let content = state.files[name].clone();
        let tag = format!("\"{}\"", &sha256(&content)[..40]);
        return Answer::new("200 OK", vec![("ETag", tag)], content);
    }
    let place = format!("/{REPOSITORY}/resolve/{COMMIT}/");
    let Some((name, content)) = request.path.strip_prefix(&place).and_then(|name| Some((name, state.files.get(name)?))) else {
        return Answer::refused("404 Not Found", "EntryNotFound");
    };
    let mut headers = vec![("X-Repo-Commit", COMMIT.to_owned()), ("ETag", "\"of-the-redirection\"".to_owned())];
    if is_large(name) {
        headers.push(("X-Linked-ETag", format!("\"{}\"", sha256(content))));
        headers.push(("X-Linked-Size", content.len().to_string()));
        headers.push(("Location", format!("{storage}/content/{name}")));
        Answer::new("302 Found", headers, Vec::new())
    } else {
        headers.push(("Location", format!("/content/{name}")));
        Answer::new("307 Temporary Redirect", headers, Vec::new())
    }
}

/// Where large files lie: another server, to which nobody's token may go.
fn storage(request: &Request, state: &State) -> Answer {
    if request.token.is_some() {
        return Answer::refused("400 Bad Request", "");
    }
    let mut content = state.files[request.path.strip_prefix("/content/").unwrap()].clone();
    if state.damages {
        *content.last_mut().unwrap() ^= 1;
    }
    let mut answer = match request.range.filter(|_| !state.ignores_ranges) {
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
            Answer::new("206 Partial Content", vec![("Content-Range", range)], content.split_off(from))
        }
        None => Answer::new("200 OK", Vec::new(), content),
    };
    answer.sent = answer.body.len().min(state.cut_after.unwrap_or(usize::MAX));
    answer
}
