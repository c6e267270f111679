//! The variables and files by which `huggingface_hub` is told where things are.

use std::{ffi::OsString, fmt, path::PathBuf};

use super::Hub;

const ENDPOINT: &str = "https://huggingface.co";

/// A secret: it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token as the Hub hands it out, without the space around it. `None` for an empty one.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    #[cfg(feature = "hub")]
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Hub {
    /// What the environment says, in the order of `huggingface_hub`:
    ///
    /// - cache: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME/hub`, `XDG_CACHE_HOME/huggingface/hub`, `~/.cache/huggingface/hub`;
    /// - token: `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, the file `HF_TOKEN_PATH`, the file `token` beside the cache's folder `hub`;
    /// - server: `HF_ENDPOINT`, `https://huggingface.co`;
    /// - `HF_HUB_OFFLINE` = 1, on, yes or true leaves the network alone.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let path = |name: &str| get(name).map(PathBuf::from);
        let text = |name: &str| get(name).and_then(|value| value.into_string().ok());
        let user = || path("HOME").or_else(|| path("USERPROFILE")).unwrap_or_default().join(".cache");
        let home = path("HF_HOME").unwrap_or_else(|| path("XDG_CACHE_HOME").unwrap_or_else(user).join("huggingface"));
        let token_path = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token =
            text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")).or_else(|| std::fs::read_to_string(&token_path).ok());
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        Self {
            cache: path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")).unwrap_or_else(|| home.join("hub")),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token.as_deref().and_then(Token::new),
            token_path,
            is_offline: text("HF_HUB_OFFLINE")
                .is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Hub {
        Hub::from_variables(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()))
    }

    #[test]
    fn the_nearest_variable_wins() {
        let mut variables = vec![("HOME", "/home/user")];
        for (name, value, cache) in [
            ("", "", "/home/user/.cache/huggingface/hub"),
            ("XDG_CACHE_HOME", "/xdg", "/xdg/huggingface/hub"),
            ("HF_HOME", "/hf", "/hf/hub"),
            ("HUGGINGFACE_HUB_CACHE", "/old", "/old"),
            ("HF_HUB_CACHE", "/new", "/new"),
        ] {
            variables.push((name, value));
            assert_eq!(hub(&variables).cache, PathBuf::from(cache));
        }
        assert_eq!(hub(&variables).token_path, PathBuf::from("/hf/token"));
    }

    #[test]
    fn a_token_comes_from_a_variable_or_a_file_and_is_never_printed() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("token"), "hf_file\n").unwrap();
        let home = home.path().to_str().unwrap();
        assert_eq!(hub(&[("HF_HOME", home)]).token, Token::new("hf_file"));
        let hub = hub(&[("HF_HOME", home), ("HF_TOKEN", " hf_variable ")]);
        assert_eq!(hub.token, Token::new("hf_variable"));
        assert!(!format!("{hub:?}").contains("hf_"));
    }

    #[test]
    fn offline_and_the_server_are_read() {
        let is_offline = |value| hub(&[("HF_HUB_OFFLINE", value)]).is_offline;
        assert_eq!(["1", "True", "0", ""].map(is_offline), [true, true, false, false]);
        assert_eq!(hub(&[("HF_ENDPOINT", "http://mirror/")]).endpoint, "http://mirror");
        assert_eq!(hub(&[]).endpoint, ENDPOINT);
    }
}
