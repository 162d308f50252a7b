"""Use of a trained model: choice of sentences, summaries, export, page."""
