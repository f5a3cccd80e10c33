//! Pages of facts, and nodes by their names.

use antiphon_core::ids::NodeId;
use antiphon_node::FactView;

use super::view::{Seen, fact};
use crate::dto::FactsDto;
use crate::error::{Code, Problem};

/// A page of at most `limit` facts; `views` has one more where there is a next page.
pub(crate) fn page(views: Vec<FactView>, limit: usize, seen: Seen) -> FactsDto {
    let more = views.len() > limit;
    let facts: Vec<_> = views.into_iter().take(limit).map(|view| fact(view, seen)).collect();
    let next = facts.last().filter(|_| more).map(|fact| fact.id.clone());
    FactsDto { facts, next }
}

/// The one node that has this name, or whose name or peer id begins so.
pub(crate) fn node_named(nodes: &[(NodeId, String)], name: &str) -> Result<NodeId, Problem> {
    let exact: Vec<NodeId> = nodes.iter().filter(|(_, known)| known == name).map(|(id, _)| *id).collect();
    let begins = |(id, known): &&(NodeId, String)| known.starts_with(name) || id.to_string().starts_with(name);
    let found = if exact.is_empty() { nodes.iter().filter(begins).map(|(id, _)| *id).collect() } else { exact };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            Err(Problem::new(Code::NotFound, format!("no node {name:?}")).hint("antiphon peers list shows every peer"))
        }
        many => Err(Problem::new(Code::Invalid, format!("{} nodes begin with {name:?}", many.len()))
            .hint("give the peer id, or more characters of it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_found_by_name_or_by_a_unique_beginning() {
        let nodes: Vec<_> =
            [(1, "alice"), (2, "alicia"), (3, "bob")].map(|(n, name)| (NodeId([n; 32]), name.to_owned())).into();
        let check = |name: &str, want: Result<u8, Code>| {
            let got = node_named(&nodes, name).map(|node| node.0[0]).map_err(|problem| problem.code);
            assert_eq!(got, want, "{name}");
        };
        check("alice", Ok(1));
        check("b", Ok(3));
        check(&NodeId([2; 32]).to_string()[..30], Ok(2));
        check("ali", Err(Code::Invalid));
        check("eve", Err(Code::NotFound));
    }
}
