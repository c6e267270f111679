//! A model of the Hub that is named for the first time: fetched, with a view of how far it is.

use perceiverflow::Result;

/// Sees to it that a model can be opened: one of the Hugging Face Hub that is not in the cache is fetched. Any other is left alone.
#[cfg(not(feature = "hub"))]
pub(crate) fn fetch(_: &str) -> Result<()> {
    Ok(())
}

/// Sees to it that a model can be opened: one of the Hugging Face Hub that is not in the cache is fetched. Any other is left alone.
#[cfg(feature = "hub")]
pub(crate) fn fetch(source: &str) -> Result<()> {
    use perceiverflow::checkpoint::{hub::Hub, hub_id};
    let hub = Hub::from_environment();
    match hub_id(source).filter(|id| hub.find(id).is_none()) {
        Some(id) => transfer::pull(&hub, &id).map(drop),
        None => Ok(()),
    }
}

#[cfg(feature = "hub")]
pub(super) mod transfer {
    use std::{
        io::IsTerminal,
        path::PathBuf,
        time::{Duration, Instant},
    };

    use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
    use perceiverflow::{
        Result,
        checkpoint::hub::{Hub, HubId, Transfer},
    };

    /// Between two lines in a log.
    const LINE_EVERY: Duration = Duration::from_secs(10);

    /// Fetches a model and tells on standard error how far each file is: a bar where somebody watches, lines where not.
    pub(in crate::models) fn pull(hub: &Hub, id: &HubId) -> Result<PathBuf> {
        let mut display = Display::new();
        hub.pull(id, |transfer| display.show(transfer))
    }

    enum Display {
        Bar(ProgressBar),
        Lines { next: Instant },
    }

    impl Display {
        fn new() -> Self {
            if !std::io::stderr().is_terminal() {
                return Self::Lines { next: Instant::now() + LINE_EVERY };
            }
            let template = "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            Self::Bar(ProgressBar::no_length().with_style(style))
        }

        fn show(&mut self, Transfer { file, done, size }: Transfer<'_>) {
            match self {
                Self::Bar(bar) => {
                    if bar.message() != file {
                        // What an earlier try brought is no speed of this one.
                        bar.reset();
                        bar.set_message(file.to_owned());
                        bar.set_length(size);
                        bar.set_position(done);
                        bar.reset_eta();
                    }
                    bar.set_position(done);
                }
                Self::Lines { next } if done == size || Instant::now() >= *next => {
                    *next = Instant::now() + LINE_EVERY;
                    eprintln!("{file}: {} of {}", DecimalBytes(done), DecimalBytes(size));
                }
                Self::Lines { .. } => {}
            }
        }
    }

    impl Drop for Display {
        fn drop(&mut self) {
            if let Self::Bar(bar) = self {
                bar.finish_and_clear();
            }
        }
    }
}
