//! ml-service
