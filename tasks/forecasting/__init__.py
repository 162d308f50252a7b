"""Time-series forecasting with prediction intervals."""
