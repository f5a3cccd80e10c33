//! `antiphon metrics`: a few figures of the node over time.

use antiphon_server::dto::FiguresAskDto;
use clap::Args;

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;

/// Options of `metrics`.
#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    /// Name of one figure, whose values are listed; without it all of them are shown
    pub(crate) figure: Option<String>,
    /// Since when: a time, or how long ago, as in 6h, up to a week [default: 1h]
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(args: MetricsArgs, session: &Session) -> Outcome {
    let ask = FiguresAskDto { metric: args.figure, since: args.since.map(Into::into) };
    let figures = session.node().await?.figures(&ask).await?;
    session.output.result(&figures, |figures| match (&ask.metric, figures.metrics.first()) {
        (Some(_), Some(figure)) => render::metrics::one(figure),
        _ => render::metrics::all(figures),
    })
}
