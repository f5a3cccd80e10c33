//! The table of routes, from which both the router and the document are made.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::MethodRouter;

use super::describe::{Described, Draft};
use crate::service::Service;

/// What a method does at an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    /// In lower case, as the document writes it.
    pub(super) method: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// Tells what the handler takes and gives.
    pub(super) describe: fn(&mut Draft),
    /// Whether it is offered on the control socket alone.
    pub(super) control_only: bool,
}

/// The methods of one address.
pub(crate) struct Methods {
    router: MethodRouter<Arc<Service>>,
    operations: Vec<Operation>,
}

macro_rules! methods {
    ($($method:ident $upper:literal)*) => {$(
        #[doc = concat!("What ", $upper, " does, in one sentence, and who does it.")]
        pub(crate) fn $method<H, T, D>(summary: &'static str, handler: H) -> Methods
        where
            H: Handler<T, Arc<Service>> + Described<D>,
            T: 'static,
        {
            let (method, describe) = (stringify!($method), H::describe);
            let operation = Operation { method, summary, describe, control_only: false };
            Methods { router: axum::routing::$method(handler), operations: vec![operation] }
        }
    )*};
}

methods! { get "GET" post "POST" put "PUT" patch "PATCH" delete "DELETE" }

impl Methods {
    /// Both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        Self { router: self.router.merge(other.router), operations: self.operations }
    }
}

/// A table of routes. A route that is not in one is not in the API.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Arc<Service>>,
    operations: BTreeMap<&'static str, Vec<Operation>>,
}

impl Routes {
    /// No routes.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The same with the methods of one address.
    pub(crate) fn route(mut self, path: &'static str, methods: Methods) -> Self {
        self.operations.entry(path).or_default().extend(methods.operations);
        Self { router: self.router.route(path, methods.router), operations: self.operations }
    }

    /// Both.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        for (path, operations) in other.operations {
            self.operations.entry(path).or_default().extend(operations);
        }
        Self { router: self.router.merge(other.router), operations: self.operations }
    }

    /// The same with what `wrap` puts around every route of it.
    pub(crate) fn wrapped(self, wrap: impl FnOnce(Router<Arc<Service>>) -> Router<Arc<Service>>) -> Self {
        Self { router: wrap(self.router), operations: self.operations }
    }

    /// The same, offered on the control socket alone.
    pub(crate) fn control_only(mut self) -> Self {
        self.operations.values_mut().flatten().for_each(|operation| operation.control_only = true);
        self
    }

    /// The router.
    pub(crate) fn with_state(self, service: Arc<Service>) -> Router {
        self.router.with_state(service)
    }

    /// What there is at which address.
    pub(super) fn operations(&self) -> &BTreeMap<&'static str, Vec<Operation>> {
        &self.operations
    }
}
