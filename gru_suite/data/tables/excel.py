"""Excel workbooks: the first sheet as a table."""

from pathlib import Path
from typing import Any

import pandas as pd

from gru_suite.errors import UserError

EXCEL_SUFFIXES = (".xlsx", ".xlsm")


def read_excel(path: Path, **options: Any) -> pd.DataFrame:
    """Read the first sheet of a workbook, whose first row has the names of the columns.

    Args:
        path: the workbook.
        **options: of ``pandas.read_excel``; without ``na_values`` no text is a missing value.

    Raises:
        UserError: it is damaged, or the package openpyxl is missing.
    """
    try:
        table: pd.DataFrame = pd.read_excel(
            path, engine="openpyxl", keep_default_na=False, **options
        )
    except ImportError:
        raise UserError(
            f"{path}: Excel workbooks need a package; run: pip install 'gru-suite[excel]'"
        ) from None
    except Exception as error:
        # Damaged archives make openpyxl raise any exception.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: not readable as an Excel workbook ({reason})") from None
    return table
