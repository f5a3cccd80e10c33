//! Lists that are longer than a page.

use antiphon_server::client::ClientError;

/// Most items that are asked for at once.
const PAGE_ITEMS_MAX: usize = 200;

/// Up to `limit` items, and whether there are more. `ask` gives the page after an item, and the last item of it where
/// there are more.
///
/// # Errors
/// What the node refuses.
pub(crate) async fn up_to<T>(
    limit: usize,
    mut ask: impl AsyncFnMut(Option<String>, usize) -> Result<(Vec<T>, Option<String>), ClientError>,
) -> Result<(Vec<T>, bool), ClientError> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let (page, next) = ask(after, limit.saturating_sub(items.len()).clamp(1, PAGE_ITEMS_MAX)).await?;
        items.extend(page);
        if next.is_none() || items.len() >= limit {
            let more = next.is_some() || items.len() > limit;
            items.truncate(limit);
            return Ok((items, more));
        }
        after = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_make_one_list() {
        let check = async |there: usize, limit: usize, shown: usize, more: bool| {
            let page = async |after: Option<String>, most: usize| {
                let begin = after.map_or(0, |after| after.parse::<usize>().unwrap() + 1);
                let end = (begin + most).min(there);
                let next = (end < there).then(|| (end - 1).to_string());
                Ok(((begin..end).collect::<Vec<_>>(), next))
            };
            let (items, said_more) = up_to(limit, page).await.unwrap();
            assert_eq!((items, said_more), ((0..shown).collect::<Vec<_>>(), more), "{limit} of {there}");
        };
        check(0, 10, 0, false).await;
        check(600, 600, 600, false).await;
        check(600, 599, 599, true).await;
        check(600, 1_000, 600, false).await;
        check(5, 0, 0, true).await;
    }
}
