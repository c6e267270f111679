//! temporary
mod train;
use clap::Parser;
#[derive(clap::Parser)]
enum Cli {
    #[command(subcommand)]
    Train(train::TrainCommand),
}
fn main() {
    let Cli::Train(c) = Cli::parse();
    train::run(c).unwrap();
}
