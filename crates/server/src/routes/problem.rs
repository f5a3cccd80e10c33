//! Problems as HTTP answers.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::{Code, Problem, ProblemBody};

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code;
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(ProblemBody { error: self })).into_response();
        if code == Code::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The address is right, what should be done there is not.
pub(crate) async fn method_not_allowed() -> Response {
    let problem = Problem::new(Code::Invalid, "this address does not take that method");
    (StatusCode::METHOD_NOT_ALLOWED, Json(ProblemBody { error: problem })).into_response()
}
