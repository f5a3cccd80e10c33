//! Measures Antiphon: `bench/all.sh` runs everything and puts the figures into docs/benchmarks.md, and
//! `cargo run --release --manifest-path bench/Cargo.toml -- PART` runs one part and prints them.
//!
//! Each figure is the median of several rounds; what it is compared with runs in the same program, in turn with it.

mod charter;
mod content;
mod corpus;
mod dht;
mod federation;
mod figures;
mod outbox;
mod page;
mod peer;
mod recall;
mod remember;
mod replication;
mod serve;
mod soak;
mod wire;

/// What the program allocates with, so that what is measured is what runs.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_else(|| "all".to_owned());
    if what == "dht-side" {
        return dht::side(&arguments.next().ok_or("dht-side needs a side")?).await;
    }
    if what == "serve" {
        return serve::run(arguments.next().ok_or("serve needs a home")?.into()).await;
    }
    if what == "content-alone" {
        return content::alone(&arguments.collect::<Vec<_>>());
    }
    if what == "replication-node" {
        return replication::node(&arguments.collect::<Vec<_>>()).await;
    }
    if what == "replication-manager" {
        return replication::manager_alone();
    }
    if what == "replication-take" {
        return replication::take(arguments.next().ok_or("replication-take needs a directory")?.as_ref());
    }
    if what == "write" {
        return page::fill("docs/benchmarks.md".as_ref(), &arguments.next().ok_or("write needs a part of the page")?);
    }
    if what == "soak" {
        return soak::run(&arguments.collect::<Vec<_>>()).await;
    }
    let known = ["all", "charter", "remember", "recall", "outbox", "content", "replication", "dht", "federation"];
    if !known.contains(&what.as_str()) {
        return Err(format!("{what:?} is none of {}", known.join(", ")).into());
    }
    let (flags, parts): (Vec<String>, Vec<String>) = arguments.partition(|argument| argument.starts_with("--"));
    let long = flags.iter().any(|flag| flag == "--long");
    if wire::alone()? {
        return Ok(());
    }
    figures::print_head();
    let all = what == "all";
    if all || what == "charter" {
        charter::run()?;
    }
    if all || what == "remember" {
        remember::run().await?;
    }
    if all || what == "recall" {
        recall::run().await?;
    }
    if all || what == "outbox" {
        outbox::run(&parts).await?;
    }
    if all || what == "content" {
        content::run(if all { &[] } else { &parts }).await?;
    }
    if all || what == "replication" {
        replication::run(if all { &[] } else { &parts }).await?;
    }
    if all || what == "dht" {
        dht::run().await?;
    }
    if all || what == "federation" {
        federation::run(&parts, long).await?;
    }
    Ok(())
}
