"""Speech to text: recordings and their transcripts."""
