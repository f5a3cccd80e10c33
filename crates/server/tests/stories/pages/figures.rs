//! Figures over time.

use antiphon_server::client::ClientError;
use antiphon_server::dto::{FigureDto, FiguresAskDto};
use antiphon_server::error::Code;

use super::browser::Browser;
use crate::common::{Alice, fact};
use crate::two::{Two, until};

async fn figure(alice: &Alice, metric: &str) -> FigureDto {
    let ask = FiguresAskDto { metric: Some(metric.into()), since: Some("1h".into()) };
    let mut figures = alice.client.figures(&ask).await.unwrap();
    assert_eq!(figures.metrics.len(), 1);
    figures.metrics.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_figures_were_is_kept_from_the_start() {
    let alice = Alice::start().await;
    until("the figures were looked at", async || !figure(&alice, "events").await.lines.is_empty()).await;
    let events = figure(&alice, "events").await;
    assert_eq!((events.unit.as_str(), events.lines.len()), ("count", 1));
    assert!(events.lines[0].points[0].value >= 1.0 && !events.lines[0].points[0].gap);
    let database = figure(&alice, "database").await;
    assert!(database.unit == "bytes" && database.lines[0].points[0].value > 4_096.0, "{database:?}");
    // A rate takes two looks, and nobody else is behind.
    assert!(figure(&alice, "lag").await.lines.is_empty());
    let all = alice.client.figures(&FiguresAskDto::default()).await.unwrap();
    assert!(all.metrics.len() >= 12 && all.until > all.since);
    let unknown = FiguresAskDto { metric: Some("mood".into()), since: None };
    let Err(ClientError::Problem(problem)) = alice.client.figures(&unknown).await else { panic!("it is known") };
    assert!(problem.code == Code::Invalid && problem.hint.as_ref().unwrap().contains("database"), "{problem}");
    let wrong = FiguresAskDto { metric: None, since: Some("yesterday".into()) };
    assert!(alice.client.figures(&wrong).await.is_err());
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plots_have_axes_words_and_a_table() {
    let two = Two::start("qa_engineer").await;
    let alice = &two.alice;
    for _ in 0..3 {
        alice.client.remember(&fact("something to recall")).await.unwrap();
    }
    let browser = Browser::open(alice).await;
    browser.until("/plots", "id=\"t-lag\"").await;
    let page = browser.get("/plots").await;
    for words in
        ["<title id=\"t-facts\">", "<desc id=\"d-facts\">", ">now</text>", "As a table", "scope=\"col\"", "MiB"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let lag = page.split_once("id=\"t-lag\"").unwrap().1.split("</section>").next().unwrap();
    assert!(lag.contains("bob"), "{lag}");
    assert!(browser.get("/plots?since=24h").await.contains("The last day"));
    two.stop().await;
}
