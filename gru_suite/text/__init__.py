"""Texts of all tasks: files and tables, tokens, and what decodes tokens.

A file (``files``) or table (``tables``) gives texts, also those to predict
(``prediction_inputs``); ``held_out`` splits them. A tokenizer (``tokenizer``) makes token ids of
them; ``token_encoder`` embeds those.
"""
