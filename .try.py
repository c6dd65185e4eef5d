import sys, json, time, warnings
warnings.simplefilter("ignore")
sys.path[:0]=["/tmp/wt/cat/extensions/client","/tmp/wt/cat/extensions/labextension"]
import xarray as xr
from pathlib import Path
from jupyterlab_pelagos.glance.look import look
from pelagos_client.formats import open_path
G="/work/shared/data/argo/gdac/"
S="/tmp/wt/cat/.env/hub/lib/python3.11/site-packages/iris_sample_data/sample_data/"
D="/work/shared/data/seadatanet/"
for f in [G+"D4900882_032.nc",G+"R13857_090.nc",G+"6902744_prof.nc",G+"13857_Rtraj.nc",G+"13857_meta.nc","/work/shared/data/services/accessor-wod/wod_mbt_2003.nc","/work/shared/data/argo/gebco/1d16184686cc_GEBCO_2020.nc","/work/shared/data/argo/erddap/0f97280439ab_ArgoFloats-reference.nc",D+"cfpoint_input_profile_diap.nc",D+"odv_input_profile_diap.txt",D+"odv_input_profile_00563439_ODV_withBOM.txt",S+"atlantic_profiles.nc",S+"NEMO/nemo_1m_20150101-20150201_grid-T.nc",S+"ostia_monthly.nc",S+"orca2_votemper.nc",S+"SOI_Darwin.nc",S+"rotated_pole.nc",S+"mesh_C4_synthetic_float.nc",S+"hybrid_height.nc"]:
    t=time.time()
    try:
        ds=open_path(Path(f)) if f.endswith("txt") else open_path(Path(f),decode_times=False)
        p=look(ds,"",Path(f).name)
        def s(a): return a and (a["name"],a["label"][:30],a["units"],len(a["values"]),a["values"][:2],a["values"][-1:])
        print(Path(f).name, p["kind"],"|",p["title"],"|",s(p["x"]),s(p["y"]),s(p["z"]),p["variables"][:6],p["notes"],len(json.dumps(p)),round(time.time()-t,2))
    except Exception as e:
        import traceback
        print(Path(f).name,"ERR",repr(e)[:200]); 
        if "Unshow" not in repr(e): traceback.print_exc()
