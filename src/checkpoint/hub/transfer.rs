//! Requests to the Hub, and files that go on where a connection was cut.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
    time::Duration,
};

use serde::Deserialize;
use ureq::{
    Agent, Body,
    http::{Method, Request, Response, StatusCode, header},
};

use super::{Hub, HubId, cache};
use crate::error::{Error, Result};

/// Until a server that says nothing is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Redirections of one request.
const MOST_REDIRECTIONS: usize = 5;
/// Of a model's list of files.
const LARGEST_LISTING: u64 = 8 << 20;

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// Its name.
    pub file: &'a str,
    /// Bytes that are here, those of an earlier try among them.
    pub done: u64,
    /// Bytes in all.
    pub size: u64,
}

/// What a repository holds at a revision.
#[derive(Deserialize)]
pub(super) struct Listing {
    /// The commit.
    pub(super) sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Listing {
    pub(super) fn has(&self, name: &str) -> bool {
        self.siblings.iter().any(|sibling| sibling.rfilename == name)
    }
}

/// What the Hub says of a file before it is fetched.
pub(super) struct Head {
    /// Names the content.
    pub(super) hash: String,
    size: u64,
}

/// The Hub, asked about one model.
pub(super) struct Client<'a> {
    hub: &'a Hub,
    id: &'a HubId,
    agent: Agent,
}

impl<'a> Client<'a> {
    pub(super) fn new(hub: &'a Hub, id: &'a HubId) -> Self {
        // Redirections and refusals are answers here, see `send`. Contents come as they are: their bytes are counted and hashed.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("perceiverflow/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build()
            .into();
        Self { hub, id, agent }
    }

    pub(super) fn listing(&self) -> Result<Listing> {
        let revision = self.id.revision().replace('/', "%2F");
        let url = format!("{}/api/models/{}/revision/{revision}", self.hub.endpoint, self.id.repository());
        let mut response = self.send(Method::GET, url, None, Follow::Anywhere)?;
        self.check(&response, "its list of files")?;
        let body = response.body_mut().with_config().limit(LARGEST_LISTING).read_to_vec().map_err(|e| self.unreachable(&e))?;
        let listing: Listing = serde_json::from_slice(&body)
            .map_err(|e| self.failed(format!("{} gives no list of files ({e})", self.hub.endpoint)))?;
        match cache::is_commit(&listing.sha) {
            true => Ok(listing),
            false => Err(self.failed(format!("{} names no commit, but {:?}", self.hub.endpoint, listing.sha))),
        }
    }

    pub(super) fn head(&self, commit: &str, name: &str) -> Result<Head> {
        // Where a file lies elsewhere, the Hub's own answer is the one that names its content.
        let response = self.send(Method::HEAD, self.url(commit, name), None, Follow::SameServer)?;
        if !response.status().is_redirection() {
            self.check(&response, name)?;
        }
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let hash = text("x-linked-etag").or_else(|| text("etag")).map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
        // It becomes a file's name.
        let is_name = |hash: &&str| !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let size = text("x-linked-size").or_else(|| text("content-length")).and_then(|size| size.parse().ok());
        match (hash.filter(is_name), size) {
            (Some(hash), Some(size)) => Ok(Head { hash: hash.to_owned(), size }),
            _ => Err(self.failed(format!("{} says neither hash nor size of {name}", self.hub.endpoint))),
        }
    }

    /// Fetches a file's content to `blob`, which appears once it is whole and its SHA-256 is that of its name. What came before a
    /// connection was cut stays beside it, and the next try goes on from there.
    pub(super) fn fetch(
        &self,
        commit: &str,
        name: &str,
        head: &Head,
        blob: &Path,
        progress: &mut dyn FnMut(Transfer<'_>),
    ) -> Result<()> {
        let pending = blob.with_file_name(format!("{}.incomplete", head.hash));
        let mut file = OpenOptions::new().create(true).append(true).open(&pending).map_err(Error::io(&pending))?;
        let mut done = file.metadata().map_err(Error::io(&pending))?.len();
        if done > head.size {
            file.set_len(0).map_err(Error::io(&pending))?;
            done = 0;
        }
        progress(Transfer { file: name, done, size: head.size });
        if done < head.size {
            let mut response = self.send(Method::GET, self.url(commit, name), (done > 0).then_some(done), Follow::Anywhere)?;
            self.check(&response, name)?;
            if response.status() != StatusCode::PARTIAL_CONTENT {
                // A server that knows no ranges begins at the beginning.
                file.set_len(0).map_err(Error::io(&pending))?;
                done = 0;
            }
            self.receive(response.body_mut().as_reader(), &mut file, Transfer { file: name, done, size: head.size }, progress)?;
        }
        file.sync_all().map_err(Error::io(&pending))?;
        if cache::is_sha256(&head.hash) {
            let found = crate::checkpoint::hash_of_file(&pending)?;
            if found != head.hash {
                std::fs::remove_file(&pending).map_err(Error::io(&pending))?;
                let promised = &head.hash;
                return Err(self.failed(format!(
                    "{name} came damaged and is removed: its SHA-256 is {found}, the Hub promised {promised}; pull again"
                )));
            }
        }
        std::fs::rename(&pending, blob).map_err(Error::io(blob))
    }

    fn receive(
        &self,
        mut from: impl Read,
        to: &mut File,
        mut transfer: Transfer<'_>,
        progress: &mut dyn FnMut(Transfer<'_>),
    ) -> Result<()> {
        let mut buffer = vec![0; 1 << 16];
        let cut = |transfer: Transfer<'_>, reason: &str| {
            let Transfer { file, done, size } = transfer;
            self.failed(format!(
                "the connection ended after {done} of the {size} bytes of {file} ({reason}); pull again to go on from there"
            ))
        };
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) if transfer.done == transfer.size => return Ok(()),
                Ok(0) => return Err(cut(transfer, "no more came")),
                Ok(count) if transfer.done + count as u64 > transfer.size => {
                    let Transfer { file, size, .. } = transfer;
                    return Err(self.failed(format!("more than the {size} bytes came that the Hub promised for {file}")));
                }
                Ok(count) => count,
                Err(e) => return Err(cut(transfer, &e.to_string())),
            };
            to.write_all(&buffer[..count]).map_err(|e| self.failed(format!("{} cannot be written ({e})", transfer.file)))?;
            transfer.done += count as u64;
            progress(transfer);
        }
    }

    fn url(&self, commit: &str, name: &str) -> String {
        format!("{}/{}/resolve/{commit}/{name}", self.hub.endpoint, self.id.repository())
    }

    /// Sends a request and goes where it is redirected to. The token goes to the Hub alone: large files lie on other servers, whose
    /// addresses are passes in themselves.
    fn send(&self, method: Method, mut url: String, from: Option<u64>, follow: Follow) -> Result<Response<Body>> {
        for _ in 0..=MOST_REDIRECTIONS {
            let mut request = Request::builder().method(method.clone()).uri(&url);
            if let Some(token) = self.hub.token.as_ref().filter(|_| server(&url) == server(&self.hub.endpoint)) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.secret()));
            }
            if let Some(from) = from {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let request = request.body(()).map_err(|e| self.failed(format!("{url} is no address ({e})")))?;
            let response = self.agent.run(request).map_err(|e| self.unreachable(&e))?;
            let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            let Some(location) = location.filter(|_| response.status().is_redirection()) else { return Ok(response) };
            let next = if location.starts_with('/') { format!("{}{location}", server(&url)) } else { location.to_owned() };
            if matches!(follow, Follow::SameServer) && server(&next) != server(&url) {
                return Ok(response);
            }
            url = next;
        }
        Err(self.failed(format!("more than {MOST_REDIRECTIONS} redirections, the last to {url}")))
    }

    /// Whether the answer is the thing asked for; if not, what to do.
    fn check(&self, response: &Response<Body>, what: &str) -> Result<()> {
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let Hub { endpoint, token, token_path, .. } = self.hub;
        let (repository, revision) = (self.id.repository(), self.id.revision());
        let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok()).unwrap_or_default();
        let page = format!("{endpoint}/{repository}");
        Err(self.failed(match (status.as_u16(), code, token) {
            (401 | 403, "GatedRepo", Some(_)) => format!("gated: ask for access at {page}; the token is not allowed to see {what}"),
            (401, _, None) => format!(
                "no such public model at {endpoint}; a private or gated one needs a token, in the variable HF_TOKEN or the file {}",
                token_path.display()
            ),
            (401, _, Some(_)) => format!(
                "no such model at {endpoint}, or the token is not valid; it is taken from HF_TOKEN, else from the file {}",
                token_path.display()
            ),
            (403, ..) => format!("the Hub refuses {what}; look at {page} for what it asks of its users"),
            (404, "RevisionNotFound", _) => format!("no branch, tag or commit {revision} at {page}"),
            (404, "EntryNotFound", _) => format!("no {what} at {page}, revision {revision}"),
            (404, ..) => format!("no such model or revision at {endpoint}"),
            (429, ..) => "the Hub has had too many requests from here; wait some minutes, or set HF_TOKEN".to_owned(),
            _ => format!("{endpoint} answers {status} for {what}"),
        }))
    }

    fn unreachable(&self, reason: &ureq::Error) -> Error {
        self.failed(format!("{} cannot be reached ({reason})", self.hub.endpoint))
    }

    fn failed(&self, reason: String) -> Error {
        Error::Hub { id: self.id.to_string(), reason }
    }
}

/// Which redirections are followed.
enum Follow {
    SameServer,
    Anywhere,
}

/// `https://host:port` of an address.
fn server(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |end| &url[..host + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_apart() {
        assert_eq!(server("https://huggingface.co/a/b"), "https://huggingface.co");
        assert_eq!(server("http://127.0.0.1:80"), "http://127.0.0.1:80");
        assert_ne!(server("https://huggingface.co.example/a"), server("https://huggingface.co/a"));
    }
}
