//! Measures Antiphon: `cargo run --release --manifest-path bench/Cargo.toml -- all`.
//!
//! Each figure is the median of several rounds; what it is compared with runs in the same program, in turn with it.

mod charter;
mod corpus;
mod figures;
mod recall;
mod remember;
mod serve;
mod sync;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_else(|| "all".to_owned());
    if what == "serve" {
        return serve::run(arguments.next().ok_or("serve needs a home")?.into()).await;
    }
    figures::print_head();
    let all = what == "all";
    let known = ["all", "charter", "remember", "recall", "sync"];
    if !known.contains(&what.as_str()) {
        return Err(format!("{what:?} is none of {}", known.join(", ")).into());
    }
    if all || what == "charter" {
        charter::run()?;
    }
    if all || what == "remember" {
        remember::run().await?;
    }
    if all || what == "recall" {
        recall::run().await?;
    }
    if all || what == "sync" {
        sync::run().await?;
    }
    Ok(())
}
