"""What files say of themselves: NetCDF, ODV spreadsheets, and NetCDF over OPeNDAP."""
