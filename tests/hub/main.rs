//! Models of the Hub, fetched from a stand-in for it: what is asked for, what is kept, and what is said when it fails.

mod server;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use perceiverflow::{
    checkpoint::hub::{Hub, HubId, Token, Transfer, verify},
    compute::{DeviceChoice, Precision},
    tasks::Model,
};
use server::{COMMIT, Request, Server};
use tempfile::TempDir;

const WEIGHTS: &str = "model.safetensors";

/// A published architecture in miniature, with a file that models of pictures have and one that nobody needs.
fn files() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/optical_flow");
    let mut files: BTreeMap<String, Vec<u8>> =
        ["config.json", WEIGHTS].map(|name| (name.to_owned(), std::fs::read(folder.join(name)).unwrap())).into();
    files.insert("preprocessor_config.json".into(), b"{}".to_vec());
    files.insert("flax_model.msgpack".into(), vec![0; 100]);
    files
}

/// A cache that belongs to one test.
struct Place {
    server: Server,
    cache: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { server: Server::start(files()), cache: tempfile::tempdir().unwrap() }
    }

    fn hub(&self) -> Hub {
        Hub {
            cache: self.cache.path().to_owned(),
            endpoint: self.server.endpoint.clone(),
            token: None,
            token_path: "/home/user/token".into(),
            is_offline: false,
        }
    }

    fn folder(&self) -> PathBuf {
        self.cache.path().join("models--owner--flow")
    }

    /// The requests for contents since the last time, not those that only ask what there is.
    fn contents(&self) -> Vec<Request> {
        let requests = std::mem::take(&mut self.server.state().requests);
        requests.into_iter().filter(|request| request.method == "GET" && request.path.contains("/content/")).collect()
    }

    /// What lies among the contents.
    fn blobs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder().join("blobs")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn incomplete(&self) -> Option<PathBuf> {
        self.blobs().into_iter().find(|path| path.extension().is_some_and(|extension| extension == "incomplete"))
    }
}

fn id(text: &str) -> HubId {
    text.parse().unwrap()
}

fn flow() -> HubId {
    id("owner/flow")
}

fn pull(hub: &Hub, id: &HubId) -> perceiverflow::Result<PathBuf> {
    hub.pull(id, |_| {})
}

fn fails(hub: &Hub, id: &HubId, parts: &[&str]) {
    let message = pull(hub, id).unwrap_err().to_string();
    assert!(message.starts_with(&id.to_string()), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_model_is_fetched_once_and_without_what_nobody_needs() {
    let place = Place::new();
    let mut told = BTreeMap::new();
    let progress = |Transfer { file, done, size }: Transfer<'_>| {
        told.insert(file.to_owned(), (done, size));
    };
    let folder = place.hub().pull(&flow(), progress).unwrap();
    assert_eq!(folder, place.folder().join("snapshots").join(COMMIT));
    let files = files();
    for name in ["config.json", WEIGHTS, "preprocessor_config.json"] {
        let size = files[name].len() as u64;
        assert_eq!(std::fs::read(folder.join(name)).unwrap(), files[name]);
        assert_eq!(told[name], (size, size));
    }
    assert_eq!(place.contents().len(), 3);
    assert_eq!(place.hub().find(&flow()), Some(folder.clone()));
    assert_eq!(pull(&place.hub(), &flow()).unwrap(), folder);
    assert!(place.contents().is_empty());
    assert!(Model::open(folder.to_str().unwrap(), DeviceChoice::Cpu, Precision::F32).is_ok());
}

#[test]
fn a_model_in_parts_is_fetched_with_all_of_them() {
    let place = Place::new();
    {
        let mut state = place.server.state();
        let weights = state.files.remove(WEIGHTS).unwrap();
        let names = candle_core::safetensors::load_buffer(&weights, &candle_core::Device::Cpu).unwrap().into_keys();
        let map: BTreeMap<String, &str> = names.map(|name| (name, "model-1-of-1.safetensors")).collect();
        let index = serde_json::json!({ "weight_map": map }).to_string().into_bytes();
        state.files.extend([("model.safetensors.index.json".into(), index), ("model-1-of-1.safetensors".into(), weights)]);
        state.files.insert("pytorch_model.bin".into(), vec![0; 10]);
    }
    let folder = pull(&place.hub(), &flow()).unwrap();
    assert!(Model::open(folder.to_str().unwrap(), DeviceChoice::Cpu, Precision::F32).is_ok());
    assert!(!folder.join("pytorch_model.bin").exists());
}

#[test]
fn a_cut_connection_is_taken_up_where_it_ended() {
    let place = Place::new();
    let size = files()[WEIGHTS].len();
    let half = size / 2;
    place.server.state().cut_after = Some(half);
    fails(&place.hub(), &flow(), &[&format!("after {half} of the {size} bytes of {WEIGHTS}"), "pull again"]);
    assert_eq!(std::fs::metadata(place.incomplete().unwrap()).unwrap().len(), half as u64);
    assert_eq!(place.hub().find(&flow()), None);
    place.contents();
    place.server.state().cut_after = None;
    let folder = pull(&place.hub(), &flow()).unwrap();
    let [rest] = &place.contents()[..] else { panic!("more than the rest was asked for") };
    assert_eq!((rest.range, rest.sent), (Some(half), size - half));
    assert_eq!(std::fs::read(folder.join(WEIGHTS)).unwrap(), files()[WEIGHTS]);
    assert_eq!(place.incomplete(), None);
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let place = Place::new();
    place.server.state().cut_after = Some(1000);
    assert!(pull(&place.hub(), &flow()).is_err());
    place.server.state().cut_after = None;
    place.server.state().ignores_ranges = true;
    let folder = pull(&place.hub(), &flow()).unwrap();
    assert_eq!(std::fs::read(folder.join(WEIGHTS)).unwrap(), files()[WEIGHTS]);
}

#[test]
fn a_damaged_file_is_told_and_removed() {
    let place = Place::new();
    place.server.state().damages = true;
    fails(&place.hub(), &flow(), &[WEIGHTS, "damaged", "SHA-256", "removed"]);
    assert_eq!(place.incomplete(), None);
    assert_eq!(place.hub().find(&flow()), None);
    place.server.state().damages = false;
    assert!(pull(&place.hub(), &flow()).is_ok());
}

#[test]
fn a_file_damaged_in_the_cache_is_found() {
    let place = Place::new();
    let folder = pull(&place.hub(), &flow()).unwrap();
    verify(&folder).unwrap();
    let mut weights = files().remove(WEIGHTS).unwrap();
    *weights.last_mut().unwrap() ^= 1;
    let blob = folder.join(WEIGHTS).canonicalize().unwrap();
    std::fs::write(&blob, weights).unwrap();
    let message = verify(&folder).unwrap_err().to_string();
    assert!(message.contains(WEIGHTS) && message.contains(blob.to_str().unwrap()), "{message}");
    std::fs::remove_file(blob).unwrap();
    pull(&place.hub(), &flow()).unwrap();
    verify(&folder).unwrap();
}

#[test]
fn what_is_not_there_is_named() {
    let place = Place::new();
    fails(&place.hub(), &id("owner/other"), &["no such model", &place.server.endpoint]);
    fails(&place.hub(), &id("owner/flow@v9"), &["no branch, tag or commit v9"]);
    place.server.state().files.remove(WEIGHTS);
    fails(&place.hub(), &flow(), &["no model", "model.safetensors", "pytorch_model.bin"]);
    let nowhere = Hub { endpoint: "http://127.0.0.1:1".into(), ..place.hub() };
    fails(&nowhere, &flow(), &["http://127.0.0.1:1 cannot be reached"]);
}

#[test]
fn a_token_is_asked_for_and_shown_to_the_hub_alone() {
    let place = Place::new();
    place.server.state().token = Some("hf_right".into());
    fails(&place.hub(), &flow(), &["needs a token", "HF_TOKEN", "/home/user/token"]);
    let wrong = Hub { token: Token::new("hf_wrong"), ..place.hub() };
    fails(&wrong, &flow(), &["token is not valid"]);
    let message = pull(&wrong, &flow()).unwrap_err().to_string();
    assert!(!message.contains("hf_wrong"), "{message}");
    pull(&Hub { token: Token::new("hf_right"), ..place.hub() }, &flow()).unwrap();
    let large = place.contents().into_iter().find(|request| request.path.ends_with(WEIGHTS)).unwrap();
    assert_eq!(large.token, None);
}

#[test]
fn offline_opens_what_is_there_and_asks_nobody() {
    let place = Place::new();
    let offline = Hub { is_offline: true, ..place.hub() };
    fails(&offline, &flow(), &["not in the cache", "HF_HUB_OFFLINE"]);
    assert!(place.server.state().requests.is_empty());
    let folder = pull(&place.hub(), &flow()).unwrap();
    place.server.state().requests.clear();
    assert_eq!(pull(&offline, &flow()).unwrap(), folder);
    assert!(place.server.state().requests.is_empty());
}

#[test]
fn a_model_that_was_not_fetched_says_how() {
    let message = Place::new().hub().open(&flow()).unwrap_err().to_string();
    assert!(message.contains("perceiverflow models pull owner/flow"), "{message}");
}

#[test]
fn revisions_share_what_they_have_in_common() {
    let place = Place::new();
    let tag = pull(&place.hub(), &id("owner/flow@v1")).unwrap();
    assert_eq!(place.hub().find(&flow()), None);
    place.contents();
    assert_eq!(pull(&place.hub(), &flow()).unwrap(), tag);
    let commit = id(&format!("owner/flow@{COMMIT}"));
    place.server.state().requests.clear();
    assert_eq!(pull(&place.hub(), &commit).unwrap(), tag);
    assert!(place.server.state().requests.is_empty(), "a commit that is there never changes");
    let models = place.hub().models();
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["owner/flow", "owner/flow@v1"]);
    let expected: usize = ["config.json", WEIGHTS, "preprocessor_config.json"].map(|name| files()[name].len()).iter().sum();
    assert_eq!(models[0].size, expected as u64);
}

#[test]
fn a_new_commit_counts_once_all_of_it_is_here() {
    let place = Place::new();
    let before = pull(&place.hub(), &flow()).unwrap();
    place.server.state().revisions.insert("main".into(), "2".repeat(40));
    assert!(pull(&place.hub(), &flow()).is_err(), "the stand-in has no files of that commit");
    assert_eq!(place.hub().find(&flow()), Some(before));
}

#[test]
fn two_at_once_fetch_a_large_file_once() {
    let place = Place::new();
    let hub = place.hub();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| pull(&hub, &flow()).unwrap());
        }
    });
    let large = place.contents().into_iter().filter(|request| request.path.ends_with(WEIGHTS)).count();
    assert_eq!(large, 1);
    verify(&place.hub().find(&flow()).unwrap()).unwrap();
}
