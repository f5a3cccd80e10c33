//! Which copies are missing, who makes them, and which may go.
